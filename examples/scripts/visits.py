"""Remembers in the database of vpid how often each player has come, and greets those who come back.

    vpid call visits.regulars '{"count": 5}'
"""

from typing import Any, Optional

import game

CREATE = "CREATE TABLE IF NOT EXISTS visits (steam VARCHAR(20) PRIMARY KEY, name TEXT, visits INTEGER)"

is_there = False


async def _sql(query: str, values: Optional[list[Any]] = None) -> Any:
    global is_there
    if not is_there:
        # Not while it loads: the database may be away just then.
        await game.aio.sql(CREATE)
        is_there = True
    return await game.aio.sql(query, values)


async def OnPlayerConnect(player: game.Player) -> None:
    if not player.steam:
        return  # a bot
    rows = await _sql("SELECT visits FROM visits WHERE steam = %s", [player.steam])
    visits = rows[0][0] + 1 if rows else 1
    # SQLite and MySQL both know REPLACE.
    await _sql("REPLACE INTO visits VALUES (%s, %s, %s)", [player.steam, player.name, visits])
    if visits > 1:
        await game.aio.tell(player, f"Good to see you again, {player.name}: visit {visits}.")


async def regulars(count: int = 10) -> list[dict[str, Any]]:
    """Who comes most often."""
    rows = await _sql("SELECT name, visits FROM visits ORDER BY visits DESC LIMIT %s", [count])
    return [{"name": name, "visits": visits} for name, visits in rows]
