"""Lists and dictionaries from the game to Python and back; exchange.nut is the other side.

What the game sends with names comes as arguments. `update_settings` has one parameter that is not
among the names, so it gets all of them as one dictionary.
"""

from typing import Any

import game

settings: dict[str, Any] = {"mode": "duel", "rounds": 5, "classes": ["soldier", "demoman"], "points": {"win": 3}}


def get_settings() -> dict[str, Any]:
    """A dictionary, which is a table in the game."""
    return settings


def update_settings(changes: dict[str, Any]) -> dict[str, Any]:
    """Takes a dictionary. An error here is the error of the caller."""
    unknown = sorted(set(changes) - set(settings))
    if unknown:
        raise ValueError(f"there is no setting {', '.join(unknown)}")
    settings.update(changes)
    return {"changed": len(changes), "settings": settings}


def rank(players: list[dict[str, Any]], points_per_win: int = 3) -> list[list[Any]]:
    """Takes a list of dictionaries, and gives one of lists: name and points, the best first."""
    rows = [[player["name"], player["wins"] * points_per_win] for player in players]
    return sorted(rows, key=lambda row: row[1], reverse=True)


async def ask_game(names: list[str]) -> dict[str, Any]:
    """Calls a function that exchange.nut has registered, and gives what it gave."""
    answer = await game.aio.call("describe_names", names)
    return {"asked": names, "answer": answer}


def OnEvent(name: str, data: dict[str, Any]) -> None:
    """What exchange.nut reports by VPI.Emit goes back to its VPI.On, with something added."""
    if name == "exchange_round":
        game.message("exchange_result", {**data, "total": sum(data["score"])})
