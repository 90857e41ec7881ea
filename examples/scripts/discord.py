"""Shows in a Discord channel who comes and goes, what is written, and who is banned.

In Discord: the channel's settings, Integrations, Webhooks, New Webhook, Copy Webhook URL. Anyone who has this URL can
write into the channel, so keep it where vpid.toml is, and nowhere else.

    [script.discord.config]
    webhook = "https://discord.com/api/webhooks/..."
    joins = true
    chat = true
    bans = true
    name_server = false      # for several servers in one channel

Lines are gathered and sent together, in their order, as fast as Discord permits. While it does not, or is unreachable,
they wait; of too many, the oldest are left out and counted.
"""

import asyncio
import json
import re
import urllib.error
import urllib.request
from collections import deque
from email.message import Message
from typing import Any, Optional

import game

WEBHOOK = str(game.config.get("webhook", ""))
JOINS = bool(game.config.get("joins", True))
CHAT = bool(game.config.get("chat", True))
BANS = bool(game.config.get("bans", True))
NAME_SERVER = bool(game.config.get("name_server", False))

# Lines are gathered for so long.
GATHER_S = 2.0
# Of Discord: so many characters are a message.
MESSAGE_CHARACTERS = 2000
LINE_CHARACTERS = 300
WAITING_MAX = 500
TIMEOUT_S = 10
RETRY_S, RETRY_S_MAX = 2.0, 60.0
# Longer ones that a server names are not believed.
LIMIT_S_MAX = 3600.0

waiting: deque[str] = deque()
left_out = 0
# A request is under way.
posting = False
sender: Optional["asyncio.Task[None]"] = None
# Why nothing is sent any more.
stopped = "" if WEBHOOK else "there is no webhook in [script.discord.config]"
if stopped:
    game.log(stopped, level=1)


def _plain(text: str) -> str:
    """A text of a player, which formats nothing and ends no line. Mentions are switched off with the message."""
    one_line = "".join(c if c.isprintable() else " " for c in text)[:LINE_CHARACTERS]
    return re.sub(r"([\\*_~`|>#\[\]()<:@-])", r"\\\1", one_line)


def _show(line: str) -> None:
    """Queues a line. Called in `async` functions only, in which tasks can begin."""
    global sender
    if stopped:
        return
    waiting.append(f"[{_plain(game.server or '')}] {line}" if NAME_SERVER else line)
    _put_back([])
    if sender is None or sender.done():
        sender = asyncio.get_running_loop().create_task(_send_all())


async def OnPlayerConnect(player: game.Player) -> None:
    if JOINS and not player.bot:
        _show(f"➡️ **{_plain(player.name)}** has joined")


async def OnPlayerDisconnect(player: game.Player, reason: str) -> None:
    if JOINS and not player.bot:
        _show(f"⬅️ **{_plain(player.name)}** has left ({_plain(reason)})")


async def OnPlayerChat(player: game.Player, text: str) -> None:
    if CHAT and not player.bot:
        _show(f"**{_plain(player.name)}**: {_plain(text)}")


async def OnCommunityPlayerBanned(ban: dict[str, Any]) -> None:
    if BANS:
        who = ban.get("name") or ban.get("player") or "a player"
        minutes = ban.get("minutes")
        how_long = "permanently" if minutes is None else f"for {minutes} minutes"
        _show(f"🔨 **{_plain(str(who))}** is banned {how_long}: {_plain(str(ban.get('reason') or 'no reason'))}")


async def OnUnLoad() -> None:
    """What waits gets one more chance, in the three seconds that there are."""
    if sender is not None:
        sender.cancel()
    if waiting and not stopped:
        await asyncio.get_running_loop().run_in_executor(None, _post, "\n".join(_take()), 2)


def _take() -> list[str]:
    """Takes as many of the waiting lines as one message has room for."""
    global left_out
    lines = [f"({left_out} lines were left out)"] if left_out else []
    left_out = 0
    room = MESSAGE_CHARACTERS - sum(len(line) + 1 for line in lines)
    while waiting and len(waiting[0]) + 1 <= room:
        room -= len(waiting[0]) + 1
        lines.append(waiting.popleft())
    return lines


def _put_back(lines: list[str]) -> None:
    """What was not sent comes before what has come meanwhile."""
    global left_out
    waiting.extendleft(reversed(lines))
    while len(waiting) > WAITING_MAX:
        waiting.popleft()
        left_out += 1


async def _send_all() -> None:
    global posting, stopped
    retry_s = RETRY_S
    await asyncio.sleep(GATHER_S)
    while waiting:
        lines = _take()
        posting = True
        loop = asyncio.get_running_loop()
        status, headers, body = await loop.run_in_executor(None, _post, "\n".join(lines), TIMEOUT_S)
        posting = False
        if 200 <= status < 300:
            retry_s = RETRY_S
            await asyncio.sleep(max(GATHER_S, _pause_s(headers)))
        elif status == 429:
            _put_back(lines)
            await asyncio.sleep(_retry_after_s(headers, body))
        elif status == 0 or status >= 500:
            _put_back(lines)
            game.log(f"Discord is unreachable ({status or body}); the next attempt is in {retry_s:.0f} s", level=2)
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, RETRY_S_MAX)
        elif status == 400:
            # It refuses the message, not the webhook, and would again.
            game.log(f"Discord refused a message of {len(lines)} lines: {body[:200]}", level=1)
        else:
            stopped = f"Discord refused the webhook ({status}); correct webhook, then run: vpid script reload discord"
            game.log(stopped, level=1)
            waiting.clear()


def _post(text: str, timeout_s: float) -> tuple[int, dict[str, str], str]:
    """The status, 0 if there is none, with the headers, and the body or what is wrong. Runs in a thread."""
    message: dict[str, object] = {"content": text, "allowed_mentions": {"parse": []}}
    headers = {"Content-Type": "application/json", "User-Agent": "vpid-discord-example (https://discord.com, 1)"}
    try:
        request = urllib.request.Request(WEBHOOK, json.dumps(message).encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=timeout_s) as reply:
            return reply.status, _lower(reply.headers), reply.read(65536).decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, _lower(error.headers), error.read(65536).decode(errors="replace")
    except (OSError, ValueError) as error:
        # The URL is a secret, and some errors name it.
        return 0, {}, type(error).__name__


def _lower(headers: Message) -> dict[str, str]:
    """HTTP does not say in which case the names come."""
    return {name.lower(): value for name, value in headers.items()}


def _seconds(value: object) -> float:
    try:
        return min(max(float(str(value)), 0.0), LIMIT_S_MAX)
    except ValueError:
        return 0.0


def _pause_s(headers: dict[str, str]) -> float:
    """How long Discord wants no further message, after one that it has accepted."""
    if headers.get("x-ratelimit-remaining") == "0":
        return _seconds(headers.get("x-ratelimit-reset-after", 1))
    return 0.0


def _retry_after_s(headers: dict[str, str], body: str) -> float:
    try:
        named = json.loads(body)["retry_after"]
    except (ValueError, KeyError, TypeError):
        named = headers.get("retry-after", 5)
    return max(_seconds(named), _seconds(headers.get("retry-after", 0)), 0.5)
