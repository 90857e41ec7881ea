"""Counts what happens, and shows it to players and scripts.

Players write !top in the chat; scripts in the game and other Python scripts call
`stats.get_stats` and `stats.top_players`, and so can you:

    vpid call stats.top_players '{"count": 3}'
"""

from collections import Counter
from typing import Any, Optional

import game

SHOWN = game.config.get("shown", 3)

totals = {"joins": 0, "messages": 0, "kills": 0, "peak": 0}
# By SteamID.
kills: Counter[str] = Counter()
names: dict[str, str] = {}


async def OnPlayerConnect(player: game.Player) -> None:
    totals["joins"] += 1
    totals["peak"] = max(totals["peak"], await game.aio.count())


def OnPlayerDeath(
    victim: game.Player, attacker: Optional[game.Player], assister: Optional[game.Player], weapon: str
) -> None:
    if attacker and attacker.userid != victim.userid and attacker.steam:
        totals["kills"] += 1
        kills[attacker.steam] += 1
        names[attacker.steam] = attacker.name


async def OnPlayerChat(player: game.Player, text: str) -> None:
    totals["messages"] += 1
    if text.strip() == "!top":
        for place, row in enumerate(top_players(SHOWN), 1):
            await game.aio.tell(player, f"{place}. {row['name']}: {row['kills']} kills")


def get_stats() -> dict[str, int]:
    """All totals, as a dictionary."""
    return totals


def top_players(count: int = 10) -> list[dict[str, Any]]:
    """Those with the most kills, the best first."""
    best = kills.most_common(count)
    return [{"steam": steam, "name": names[steam], "kills": number} for steam, number in best]
