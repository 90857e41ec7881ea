"""Who has won how much: asked for by scripts in the game."""
import os

import game


def top(count):
    rows = game.sql("SELECT name, wins FROM user_contracts_players WHERE wins > 0 ORDER BY wins DESC")
    return [{"name": name, "wins": wins} for name, wins in rows[:count]]


def best_of(kills):
    return max(kills, key=kills.get)


def crash():
    os._exit(3)
