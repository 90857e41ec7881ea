"""What the script requests of vpid, and how it waits for the answer."""

import asyncio
import json

import game
from vpid_values import encode


class Answer:
    """Where a function that blocks finds its answer."""

    message = None

    def done(self):
        return self.message is not None

    def set_result(self, message):
        self.message = message


class Requests:
    def __init__(self, host):
        self._host = host
        self._count = 0
        # An Answer or a Future for each number.
        self._waiting = {}

    def request(self, what, arguments, server):
        """Waits until it is answered; whatever else vpid sends has to wait."""
        host = self._host
        host.expect_main_thread(what)
        if not host.channel.is_open():
            raise RuntimeError("a forked process cannot speak with the game")
        answer = Answer()
        self._post(what, arguments, server, answer)
        host.flush()
        while answer.message is None:
            host.wait_for_early()
        return _outcome(answer.message)

    async def request_without_blocking(self, what, arguments, server):
        """Lets other tasks go on until it is answered."""
        if asyncio.get_running_loop() is not self._host.loop:
            # The script runs a loop of its own, in which no other task waits.
            return self.request(what, arguments, server)
        answer = self._host.loop.create_future()
        number = self._post(what, arguments, server, answer)
        try:
            return _outcome(await answer)
        finally:
            self._waiting.pop(number, None)

    def _post(self, what, arguments, server, answer):
        text = encode(arguments, what)
        self._count += 1
        number = self._count
        self._waiting[number] = answer
        self._host.channel.post(f'["ask",{number},"{what}",{text},{json.dumps(server)}]')
        return number

    def answered(self, message):
        waiting = self._waiting.pop(message[1], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)


def _outcome(message):
    if message[0] == "a":
        return message[2]
    raise game.Error(message[2], message[3])
