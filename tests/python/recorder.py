"""Records every hook that calls it, and runs what the tests of vpid call."""

import game

HOOKS = [
    "OnServerStart",
    "OnServerStop",
    "OnMapStart",
    "OnMapEnd",
    "OnPlayerConnect",
    "OnPlayerActive",
    "OnPlayerSpawn",
    "OnPlayerDeath",
    "OnPlayerTeam",
    "OnPlayerClass",
    "OnPlayerChat",
    "OnPlayerDisconnect",
    "OnRoundStart",
    "OnRoundWin",
    "OnEvent",
    "OnVyHubReady",
    "OnVyHubPlayerConnected",
    "OnCommunityPlayerConnected",
    "OnVyHubPlayerInitialized",
    "OnVyHubPlayerBanned",
    "OnVyHubPlayerUnbanned",
    "OnVyHubPlayerWarned",
    "OnVyHubPlayerGroupChanged",
    "OnVyHubPlayerGroupsChanged",
]

heard = []
beats = []


def _recorder(name):
    def record(*args):
        heard.append([name, *(_brief(each) for each in args)])

    return record


def _brief(value):
    """A player by name, userid and SteamID, as the attributes have them."""
    if isinstance(value, game.Player):
        return f"{value.name}#{value.userid} {value.steam} {value.team}{' bot' if value.bot else ''}"
    return value


for each in HOOKS:
    globals()[each] = _recorder(each)


async def OnHeartbeat(players):
    beats.append([each.name for each in players])


def take():
    """The hooks since the last time."""
    taken = heard[:]
    heard.clear()
    return taken


def get_beats():
    return beats


def players():
    return game.players()


def about():
    """What the module says of the server."""
    return {
        "map": game.map(),
        "hostname": game.hostname(),
        "max_players": game.max_players(),
        "count": game.count(),
        "bots": [each.name for each in game.bots()],
        "admins": [each.name for each in game.admins()],
        "servers": len(game.servers()),
    }


def do(what, args):
    """The result of any function of the module, by its name."""
    try:
        return getattr(game, what)(*args)
    except game.Error as error:
        return f"{error.reason}: {error.detail}"


async def do_later(what, args):
    return await getattr(game.aio, what)(*args)


def first_names(players, most=2):
    """For scripts of the game: lists and dictionaries both ways."""
    if most > 100:
        raise ValueError("a hundred at most")
    return {"names": [each["name"] for each in players[:most]], "of": len(players)}


def numbers(count):
    return [{"n": n, "text": str(n)} for n in range(count)]
