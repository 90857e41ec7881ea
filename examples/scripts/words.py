"""Warns players for words, also where they are written with look-alikes, and kicks those who go on.

    [script.words.config]
    words = ["badword", "free skins"]
    warnings = 2                  # the next one is a kick
    forget_s = 3600               # after so long, a warning does not count any more
    community = false             # true: warnings are those of VyHub or of your community, too

A word is found as a whole word only, so "ass" is not found in "class". Capitals, accents, letters of other alphabets
and digits that look alike, invisible characters, repeated letters, and letters with something in between make no
difference: "B@AADw0rd" and "b.a.d.w.o.r.d" are "badword". Admins are not warned.

The players have seen the line already: no script can take it back.
"""

import re
import unicodedata
from collections import deque
from time import time

import game

WORDS = [str(each) for each in game.config.get("words", ["badword", "free skins"])]
WARNINGS = int(game.config.get("warnings", 2))
FORGET_S = float(game.config.get("forget_s", 3600))
COMMUNITY = bool(game.config.get("community", False))
PLAYERS_MAX = 10_000

# What is drawn like a Latin letter and does not become one by Unicode's own folding: Cyrillic, Greek, digits.
LOOK_ALIKES = str.maketrans(
    "аеорсухкмтвніјѕԁһӏгβεορτυχνικζηαμω013457l",
    "aeopcyxkmtbhijsdhirbeoptuxvikznauwoieasti",
)
# Signs are letters only in front of others: "b@d", but not "bad!".
SIGNS = {"@": "a", "$": "s", "!": "i", "|": "i", "€": "e", "+": "t"}


def _letters(text: str) -> str:
    """The text in small Latin letters, as far as it looks like these; all else is a space."""
    composed = unicodedata.normalize("NFKD", text).casefold()
    seen = "".join(c for c in composed if unicodedata.category(c) not in ("Mn", "Me", "Cf"))
    signs = re.sub(r"[@$!|€+](?=\w)", lambda sign: SIGNS[sign[0]], seen)
    return "".join(c if c.isalpha() else " " for c in signs.translate(LOOK_ALIKES))


def fold(text: str) -> str:
    """Words with a space in front, between and behind, in the form in which they are compared."""
    return f" {' '.join(_letters(text).split())} "


def _pulled_apart(text: str) -> list[str]:
    """What several single letters in a row make together."""
    found = re.findall(r"(?:(?<=\s)\w\s+){3,}", f" {_letters(text)} ")
    return ["".join(letters.split()) for letters in found]


def _forms(word: str) -> tuple["re.Pattern[str]", "re.Pattern[str]"]:
    """How a listed word is found: each letter at least as often as it stands there; as a whole, and pulled apart."""
    runs = re.sub(r"([^ ])\1*", lambda run: f"{run[1]}{{{len(run[0])},}}", fold(word))
    return re.compile(runs), re.compile(runs.replace(" ", ""))


LISTED = {word: _forms(word) for word in WORDS if fold(word).strip()}
# By SteamID: when the warnings were.
warned: dict[str, deque[float]] = {}


def found(text: str) -> str:
    """The listed word that the text has in it, or nothing. For others: vpid call words.found '{"text": "..."}'"""
    folded, together = fold(text), _pulled_apart(text)
    for word, (whole, apart) in LISTED.items():
        if whole.search(folded) or any(apart.search(each) for each in together):
            return word
    return ""


def OnPlayerChat(player: game.Player, text: str) -> int:
    word = found(text)
    if not word or player.bot or not player.steam:
        return 1
    known = game.player(player)
    if known is not None and known.admin:
        return 1
    game.log(f"{player.name} ({player.steam}) wrote {text!r}, in which {word!r} is", level=2)
    if _count(player.steam) > WARNINGS:
        warned.pop(player.steam, None)
        game.kick(player, f"warned {WARNINGS} times for words")
        return 0
    left = WARNINGS - len(warned[player.steam])
    game.tell(player, f"Such words are not welcome here. {left} more warnings before you are kicked.")
    if COMMUNITY:
        try:
            game.warn(player, f"word: {word}")
        except game.Error as error:
            # It counts here all the same.
            game.log(f"{player.name} has no warning in the community: {error}", level=2)
    return 0


def _count(steam: str) -> int:
    """Records one, and returns how many there are that are not forgotten."""
    now = time()
    times = warned.setdefault(steam, deque(maxlen=WARNINGS + 1))
    times.append(now)
    while times[0] < now - FORGET_S:
        times.popleft()
    if len(warned) > PLAYERS_MAX:
        for each in [known for known, its in warned.items() if its[-1] < now - FORGET_S] or list(warned)[:1]:
            del warned[each]
    return len(times)
