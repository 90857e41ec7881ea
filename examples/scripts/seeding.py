"""Announces what a server still needs to be full enough, while it fills, and thanks once it is.

    [script.seeding.config]
    wanted = 12          # players, without bots
    every_s = 300        # between two announcements
    filling = "{count} of {wanted} players are here; {missing} more, and we are there. Bring your friends!"
    full = "We are {count}. Thank you all for seeding!"
"""

import game

WANTED = int(game.config.get("wanted", 12))
EVERY_S = float(game.config.get("every_s", 300))
FILLING = str(
    game.config.get(
        "filling", "{count} of {wanted} players are here; {missing} more, and we are there. Bring your friends!"
    )
)
FULL = str(game.config.get("full", "We are {count}. Thank you all for seeding!"))

# Servers that had enough players. One that is a few below is not announced at once as one that fills.
seeded: set[str] = set()


async def _say(text: str, count: int, server: str) -> None:
    facts = {"count": count, "wanted": WANTED, "missing": max(0, WANTED - count), "server": server}
    await game.aio.say(text.format(**facts), server=server)


async def OnPlayerActive(player: game.Player) -> None:
    server = game.server
    if player.bot or server is None or server in seeded:
        return
    count = await game.aio.count()
    # Another player may have come meanwhile.
    if count >= WANTED and server not in seeded:
        seeded.add(server)
        await _say(FULL, count, server)


async def _announce() -> None:
    for each in await game.aio.servers():
        server, count = each["name"], each["players"]
        if count < WANTED // 2:
            seeded.discard(server)
        # An empty server has no one to read it.
        if 0 < count < WANTED and server not in seeded:
            try:
                await _say(FILLING, count, server)
            except game.Error as error:
                # The others go on.
                game.log(f"{server} does not get the announcement: {error}", level=2)


game.timer(EVERY_S, _announce, repeat=True)
