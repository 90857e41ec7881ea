"""Counts what happens, and shows it to players and scripts.

Players write !top in the chat; scripts in the game and other Python scripts call
`stats.get_stats` and `stats.top_players`, and so can you:

    vpid call stats.top_players '{"count": 3}'
"""

from collections import Counter

import game

SHOWN = game.config.get("shown", 3)

totals = {"joins": 0, "messages": 0, "kills": 0, "peak": 0}
kills = Counter()
names = {}


async def OnPlayerConnect(player):
    totals["joins"] += 1
    totals["peak"] = max(totals["peak"], await game.aio.count())


def OnPlayerDeath(victim, attacker, assister, weapon):
    if attacker and victim and attacker.userid != victim.userid and attacker.steam:
        totals["kills"] += 1
        kills[attacker.steam] += 1
        names[attacker.steam] = attacker.name


async def OnPlayerChat(player, text):
    totals["messages"] += 1
    if text.strip() == "!top":
        for place, row in enumerate(top_players(SHOWN), 1):
            await game.aio.tell(player, f"{place}. {row['name']}: {row['kills']} kills")


def get_stats():
    """All totals, as a dictionary."""
    return totals


def top_players(count=10):
    """Those with the most kills, the best first."""
    best = kills.most_common(count)
    return [{"steam": steam, "name": names[steam], "kills": number} for steam, number in best]
