"""Greets players when they have arrived, and notifies the admins who are on when an admin comes.

    [script.welcome.config]
    greeting = "Welcome to {map}, {name}! You are number {count} of {max}."
    delay_s = 5
"""

import game

GREETING = game.config.get("greeting", "Welcome to {map}, {name}! You are number {count} of {max}.")
DELAY_S = game.config.get("delay_s", 5)


def OnPlayerActive(player: game.Player) -> None:
    if not player.bot:
        # Until then a newcomer reads the message of the day.
        game.timer(DELAY_S, lambda: _greet(player.userid))


def _greet(userid: int) -> None:
    player = game.player(userid)
    if player is None:
        return  # gone already
    facts = {"name": player.name, "map": game.map(), "count": game.count(), "max": game.max_players()}
    game.tell(player, GREETING.format(**facts))
    if player.admin:
        game.tell_admins(f"{player.name}, who is an admin, is here.")
