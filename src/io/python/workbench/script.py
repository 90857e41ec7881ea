"""NAME: what this script is for, in a sentence.

    [script.NAME.config]
    greeting = "Hello"
"""

import game

# What `vpid script list` shows.
__version__ = "1.0"

# The table above, from vpid.toml.
GREETING = str(game.config.get("greeting", "Hello"))

lines = 0


# A hook: vpid calls it when a player is in the game. docs/scripts.md lists all of them.
def OnPlayerActive(player: game.Player) -> None:
    if not player.bot:
        game.tell(player, f"{GREETING}, {player.name}!")


# Another one, which counts.
def OnPlayerChat(player: game.Player, text: str) -> None:
    global lines
    lines += 1


# A command in chat: !NAME, or !NAME 3. What stands behind `player` comes from the player, as the type says.
@game.command_handler("!NAME", cooldown=5)
def _on_command(player: game.Player, times: int = 1) -> None:
    """says how many lines there were"""
    for _ in range(min(times, 3)):
        game.tell(player, f"There were {lines} lines.")


# A function without `_` in front can be called by game scripts, other scripts and you: vpid call NAME.count
def count() -> int:
    """How many lines there were since the script was loaded."""
    return lines


# A timer: every ten minutes.
def _report() -> None:
    game.log(f"{game.count()} players, {lines} lines")


game.timer(600, _report, repeat=True)
