"""Lets players vote for the next map: !rtv asks for a vote, !nominate MAP puts a map on the list, !vote 2 votes.

    [script.map_vote.config]
    maps = ["cp_badlands", "pl_upward", "koth_viaduct"]
    share = 0.6          # of the players have to ask for a vote
    choices = 4
    vote_s = 30
    delay_s = 120        # on a new map, before a vote can begin
"""

import random
from typing import Optional

import game

MAPS = [str(each) for each in game.config.get("maps", ["cp_badlands", "pl_upward", "koth_viaduct", "ctf_2fort"])]
SHARE = float(game.config.get("share", 0.6))
CHOICES = int(game.config.get("choices", 4))
VOTE_S = float(game.config.get("vote_s", 30))
DELAY_S = float(game.config.get("delay_s", 120))
CHANGE_S = 5.0


class Vote:
    """What goes on on one server, until the map changes."""

    def __init__(self) -> None:
        # Userids.
        self.wanted: set[int] = set()
        self.nominated: dict[int, str] = {}
        self.votes: dict[int, str] = {}
        # Empty while there is no vote.
        self.choices: list[str] = []
        self.may_begin = False
        self.is_over = False
        game.timer(DELAY_S, self._permit)

    def _permit(self) -> None:
        self.may_begin = True

    def needed(self) -> int:
        return max(1, -(-int(SHARE * 100) * game.count() // 100))


votes: dict[Optional[str], Vote] = {}


def _vote() -> Vote:
    """That of the server of the present hook."""
    if game.server not in votes:
        votes[game.server] = Vote()
    return votes[game.server]


def OnMapStart(map: str) -> None:
    votes[game.server] = Vote()


def OnPlayerDisconnect(player: game.Player) -> None:
    vote = _vote()
    vote.wanted.discard(player.userid)
    vote.nominated.pop(player.userid, None)
    vote.votes.pop(player.userid, None)
    # Those who are left may be enough now.
    if vote.wanted:
        _begin_if_enough(vote)


@game.command_handler("!rtv")
def _on_rtv(player: game.Player) -> None:
    """asks for a vote on the next map"""
    vote = _vote()
    if vote.choices or vote.is_over:
        game.tell(player, "There is a vote already.")
    elif not vote.may_begin:
        game.tell(player, "It is too early for a vote; play this map a little.")
    elif player.userid in vote.wanted:
        game.tell(player, "You have asked already.")
    else:
        vote.wanted.add(player.userid)
        game.say(f"{player.name} wants another map ({len(vote.wanted)} of {vote.needed()}). Write !rtv for a vote.")
        _begin_if_enough(vote)


@game.command_handler("!nominate")
def _on_nominate(player: game.Player, map: str = "") -> None:
    """puts a map on the list of the next vote"""
    vote = _vote()
    found = [each for each in MAPS if map.lower() in each.lower()]
    exact = [each for each in MAPS if each.lower() == map.lower()]
    if vote.choices or vote.is_over:
        game.tell(player, "There is a vote already.")
    elif not map or not found:
        game.tell(player, f"Maps: {', '.join(MAPS)}"[:200])
    elif len(found) > 1 and not exact:
        game.tell(player, f"Which one? {', '.join(found)}"[:200])
    elif (exact or found)[0] == game.map():
        game.tell(player, "This is the map that is played.")
    else:
        vote.nominated[player.userid] = (exact or found)[0]
        game.say(f"{player.name} nominates {(exact or found)[0]}.")


@game.command_handler("!vote")
def _on_vote(player: game.Player, number: int) -> None:
    """votes for a map of the list"""
    vote = _vote()
    if not vote.choices:
        game.tell(player, "There is no vote now.")
    elif not 1 <= number <= len(vote.choices):
        game.tell(player, f"The maps are numbers 1 to {len(vote.choices)}.")
    else:
        # A later vote takes the place of the former.
        vote.votes[player.userid] = vote.choices[number - 1]
        game.tell(player, f"Your vote: {vote.choices[number - 1]}.")


def _begin_if_enough(vote: Vote) -> None:
    if vote.choices or vote.is_over or len(vote.wanted) < vote.needed():
        return
    present = game.map()
    nominated = list(dict.fromkeys(vote.nominated.values()))
    others = [each for each in MAPS if each != present and each not in nominated]
    random.shuffle(others)
    vote.choices = (nominated + others)[:CHOICES]
    if not vote.choices:
        game.say("There is no other map to vote for.")
        vote.wanted.clear()
        return
    listed = ", ".join(f"{number}: {name}" for number, name in enumerate(vote.choices, 1))
    game.say(f"Vote for the next map with !vote NUMBER. {listed}")
    game.timer(VOTE_S, lambda: _end(vote))


def _end(vote: Vote) -> None:
    if votes.get(game.server) is not vote:
        return  # the map has changed meanwhile
    counts = {name: list(vote.votes.values()).count(name) for name in vote.choices}
    best = max(counts.values())
    if best == 0:
        game.say("Nobody has voted; the map stays.")
        votes[game.server] = Vote()
        return
    chosen = random.choice([name for name, count in counts.items() if count == best])
    vote.choices, vote.is_over = [], True
    game.say(f"{chosen} has won with {best} votes, and begins in {CHANGE_S:.0f} seconds.")
    game.timer(CHANGE_S, lambda: _change(vote, chosen))


def _change(vote: Vote, chosen: str) -> None:
    if votes.get(game.server) is vote:
        game.change_map(chosen)
