"""Points for kills and assists, kept in the database of vpid: !rank shows a player's place, !top the best.

    [script.rank.config]
    kill = 2
    assist = 1
    death = -1
    save_s = 10

Points are gathered and saved together. Additions of several scripts, or of several vpids on one database, do not
overwrite each other. A crash loses at most those of the last `save_s` seconds.
"""

import asyncio
from collections import Counter
from typing import Any, Optional

import game

KILL = int(game.config.get("kill", 2))
ASSIST = int(game.config.get("assist", 1))
DEATH = int(game.config.get("death", -1))
SAVE_S = float(game.config.get("save_s", 10))
SHOWN = 5

# SQLite and MySQL both understand these.
CREATE = "CREATE TABLE IF NOT EXISTS ranks (steam VARCHAR(20) PRIMARY KEY, name VARCHAR(64), points BIGINT NOT NULL)"
INSERT = (
    "INSERT INTO ranks SELECT %s, %s, 0 FROM (SELECT 1 AS one) AS base "
    "WHERE NOT EXISTS (SELECT 1 FROM ranks WHERE steam = %s)"
)
ADD = "UPDATE ranks SET points = points + %s, name = %s WHERE steam = %s"
PLACE = "SELECT COUNT(*) + 1, (SELECT COUNT(*) FROM ranks) FROM ranks WHERE points > %s"

# What is not saved yet, by SteamID.
unsaved: Counter[str] = Counter()
names: dict[str, str] = {}
is_there = False
is_saving = False


async def _sql(query: str, *values: Any) -> Any:
    global is_there
    if not is_there:
        # Not while it loads: the database may be unreachable then.
        await game.aio.sql(CREATE)
        is_there = True
    return await game.aio.sql(query, list(values))


def _add(player: Optional[game.Player], points: int) -> None:
    if player is not None and player.steam:
        unsaved[player.steam] += points
        names[player.steam] = player.name[:64]


def OnPlayerDeath(
    victim: game.Player, attacker: Optional[game.Player], assister: Optional[game.Player], weapon: str
) -> None:
    if attacker is None or attacker.userid == victim.userid or attacker.bot or victim.bot:
        return
    _add(attacker, KILL)
    _add(assister, ASSIST)
    _add(victim, DEATH)


async def _save() -> None:
    global is_saving
    if is_saving:
        return
    is_saving = True
    try:
        for steam in list(unsaved):
            # What comes while it is saved waits for the next time; what cannot be saved is tried again.
            points, name = unsaved.pop(steam), names[steam]
            try:
                await _sql(INSERT, steam, name, steam)
                await _sql(ADD, points, name, steam)
            except game.Error:
                unsaved[steam] += points
                raise
            if steam not in unsaved:
                names.pop(steam, None)
    finally:
        is_saving = False


async def OnUnLoad() -> None:
    # The timer's may be under way; it is cancelled when this returns.
    while is_saving:
        await asyncio.sleep(0.05)
    await _save()


@game.command_handler("!rank", cooldown=3)
async def _on_rank(player: game.Player) -> None:
    """shows your points and your place"""
    if not player.steam:
        return
    await _save()
    rows = await _sql("SELECT points FROM ranks WHERE steam = %s", player.steam)
    if not rows:
        await game.aio.tell(player, "You have no points yet.")
        return
    points = rows[0][0]
    [[place, players]] = await _sql(PLACE, points)
    await game.aio.tell(player, f"You have {points} points: place {place} of {players}.")


@game.command_handler("!top", cooldown=3)
async def _on_top(player: game.Player) -> None:
    """shows the best players"""
    await _save()
    for place, each in enumerate(await best(SHOWN), 1):
        await game.aio.tell(player, f"{place}. {each['name']}: {each['points']}")


async def best(count: int = 10) -> list[dict[str, Any]]:
    """Those with the most points; for others: vpid call rank.best"""
    query = "SELECT steam, name, points FROM ranks ORDER BY points DESC, steam LIMIT %s"
    rows = await _sql(query, min(max(int(count), 1), 100))
    return [{"steam": steam, "name": name, "points": points} for steam, name, points in rows]


game.timer(SAVE_S, _save, repeat=True)
