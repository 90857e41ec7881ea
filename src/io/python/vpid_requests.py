"""What the script requests of vpid, and how it waits for the answer."""

import asyncio
import contextvars
import json

import game
from vpid_process import error_line, error_text
from vpid_values import encode


# The answer to a call of the script's own function, which it is to run itself.
OWN = "own"


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
        self._post("wait", what, arguments, server, answer)
        host.flush()
        while answer.message is None:
            host.wait_for_early()
        if answer.message[0] == OWN:
            return self._run_own(answer.message[2], arguments, server)
        return _outcome(answer.message)

    def _run_own(self, function, arguments, server):
        """Runs a function of this script that was called by its name, as another script would see it."""
        name = arguments["name"]
        values = json.loads(encode(arguments, "call"))
        caller = {"script": f"{game.script.name}.py", "server": server}

        def run():
            game._server.set(server)
            game._caller.set(caller)
            return self._host.script.call(function, values["args"], values["kwargs"], caller)

        try:
            result = contextvars.copy_context().run(run)
            if hasattr(result, "__await__"):
                if hasattr(result, "close"):
                    result.close()
                detail = f"{name} is async, and cannot run while this call waits: await game.aio.call"
                raise game.Error("Deadlock", detail)
            return json.loads(encode(result, "result"))
        except game.Error:
            raise
        except Exception as error:
            self._host.log(1, f"{name}: {error_text(error)}")
            raise game.Error(type(error).__name__, error_line(error)) from None

    async def request_without_blocking(self, what, arguments, server):
        """Lets other tasks go on until it is answered."""
        if asyncio.get_running_loop() is not self._host.loop:
            # The script runs a loop of its own, in which no other task waits.
            return self.request(what, arguments, server)
        answer = self._host.loop.create_future()
        number = self._post("ask", what, arguments, server, answer)
        try:
            return _outcome(await answer)
        finally:
            self._waiting.pop(number, None)

    def _post(self, word, what, arguments, server, answer):
        text = encode(arguments, what)
        self._count += 1
        number = self._count
        self._waiting[number] = answer
        self._host.channel.post_awaited(f'["{word}",{number},"{what}",{text},{json.dumps(server)}]')
        return number

    def answered(self, message):
        waiting = self._waiting.pop(message[1], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)


def _outcome(message):
    if message[0] == "a":
        return message[2]
    raise game.Error(message[2], message[3])
