"""Warns players who write words that are not allowed, and kicks those who go on.

The game has shown a line before any script gets it, so nothing here takes it back. What can be
done: `return 0` keeps it from the scripts that come after this one, such as one that passes chat on
to a Discord. They start earlier or later as `order` says:

    [scripts]
    order = ["message_filter"]

    [script.message_filter.config]
    words = ["aimbot shop", "free skins"]
    warnings = 2
"""

from collections import Counter
from typing import Optional

import game

WORDS = [word.lower() for word in game.config.get("words", ["aimbot shop", "free skins"])]
WARNINGS = game.config.get("warnings", 2)

# By userid and server.
warned: Counter[tuple[int, Optional[str]]] = Counter()


def OnPlayerChat(player: game.Player, text: str) -> int:
    found = next((word for word in WORDS if word in text.lower()), None)
    if found is None:
        return 1
    warned[player.userid, game.server] += 1
    game.log(f"{player.name} wrote {text!r}", level=2)
    if warned[player.userid, game.server] > WARNINGS:
        game.kick(player, f"no {found} here")
    else:
        game.tell(player, f"Please no {found} here.")
    return 0


def OnPlayerDisconnect(player: game.Player) -> None:
    warned.pop((player.userid, game.server), None)
