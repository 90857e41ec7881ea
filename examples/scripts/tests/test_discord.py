"""Tests of discord.py with a strict webhook: vpid script test examples/scripts"""

import json
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from game_testing import Stage, load

Answer = tuple[int, dict[str, str], Any]
OK: Answer = (204, {}, None)


class Webhook(BaseHTTPRequestHandler):
    # What is answered next, else OK; and what was sent.
    answers: list[Answer] = []
    contents: list[str] = []
    problems: list[str] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = json.loads(body)
        checks = {
            "the path": self.path == "/api/webhooks/1/secret",
            "the type": self.headers["Content-Type"] == "application/json",
            "the agent": "Python-urllib" not in self.headers["User-Agent"],
            "the keys": set(message) == {"content", "allowed_mentions"},
            "mentions": message["allowed_mentions"] == {"parse": []},
            "the length": 1 <= len(message["content"]) <= 2000,
        }
        self.problems.extend(name for name, is_so in checks.items() if not is_so)
        status, headers, answer = self.answers.pop(0) if self.answers else OK
        self.contents.append(message["content"])
        data = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Discord(unittest.TestCase):
    stage: Stage

    def setUp(self) -> None:
        Webhook.answers, Webhook.contents, Webhook.problems = [], [], []
        server = HTTPServer(("127.0.0.1", 0), Webhook)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        webhook = f"http://127.0.0.1:{server.server_port}/api/webhooks/1/secret"
        self.stage = load("../discord.py", config={"webhook": webhook})
        self.addCleanup(self.stage.close)

    def tearDown(self) -> None:
        self.assertEqual(Webhook.problems, [])

    def sends(self, count: int) -> None:
        """Lets the script wait for what it has sent, without time that passes for it."""
        self.stage.wait_for(lambda: len(Webhook.contents) >= count)
        self.stage.wait_for(lambda: not self.stage.module.posting)

    def gathers_and_sends(self, count: int) -> None:
        self.stage.pass_time(2)
        self.sends(count)

    def test_lines_are_gathered_and_nothing_of_a_player_formats_or_mentions(self) -> None:
        ann = self.stage.join("*Ann*")
        self.stage.join("Robot", bot=True)
        self.stage.chat(ann, "@everyone look\nhere `x`")
        self.stage.pass_time(1)
        self.assertEqual(Webhook.contents, [])
        ban = {"id": ann.id, "name": "Eve", "reason": "aimbot", "minutes": None, "issuer": None, "issuer_id": None}
        self.stage.hook("OnCommunityPlayerBanned", ban)
        self.stage.leave(ann, "timed out")
        self.gathers_and_sends(1)
        lines = [
            "➡️ **\\*Ann\\*** has joined",
            "**\\*Ann\\***: \\@everyone look here \\`x\\`",
            "🔨 **Eve** is banned permanently: aimbot",
            "⬅️ **\\*Ann\\*** has left (timed out)",
        ]
        self.assertEqual(Webhook.contents, ["\n".join(lines)])

    def test_a_rate_limit_is_obeyed_and_no_line_is_lost_or_sent_twice(self) -> None:
        Webhook.answers = [
            (429, {"Retry-After": "7"}, {"message": "You are being rate limited.", "retry_after": 6.5}),
            (204, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "30"}, None),
        ]
        ann = self.stage.join("Ann")
        self.gathers_and_sends(1)
        self.stage.chat(ann, "later")
        self.stage.pass_time(6.9)
        self.assertFalse(self.stage.module.posting)
        self.stage.pass_time(0.2)
        self.sends(2)
        self.assertEqual(Webhook.contents[1], "➡️ **Ann** has joined\n**Ann**: later")
        self.stage.chat(ann, "much later")
        self.stage.pass_time(29)
        self.assertFalse(self.stage.module.posting)
        self.stage.pass_time(2)
        self.sends(3)
        self.assertEqual(Webhook.contents[2], "**Ann**: much later")

    def test_what_discord_cannot_take_now_is_sent_later(self) -> None:
        Webhook.answers = [(502, {}, "bad gateway"), (500, {}, "x")]
        self.stage.join("Ann")
        self.gathers_and_sends(1)
        self.stage.pass_time(2.1)
        self.sends(2)
        self.stage.pass_time(3.9)
        self.assertFalse(self.stage.module.posting)
        self.stage.pass_time(0.2)
        self.sends(3)
        self.assertEqual(len(set(Webhook.contents)), 1)

    def test_long_messages_are_divided_and_of_too_many_lines_the_oldest_go(self) -> None:
        ann = self.stage.join("Ann")
        for number in range(600):
            self.stage.chat(ann, f"{number} " + "x" * 280)
        self.gathers_and_sends(1)
        self.assertIn("(101 lines were left out)\n**Ann**: 100 x", Webhook.contents[0])
        count = 1
        while self.stage.module.waiting:
            count += 1
            self.gathers_and_sends(count)
        self.assertEqual(sum(text.count("**Ann**: ") for text in Webhook.contents), 500)

    def test_a_refused_message_is_left_out_and_a_refused_webhook_ends_it(self) -> None:
        Webhook.answers = [(400, {}, {"code": 50035}), (404, {}, {"code": 10015})]
        ann = self.stage.join("Ann")
        self.gathers_and_sends(1)
        self.stage.chat(ann, "one")
        self.gathers_and_sends(2)
        self.stage.chat(ann, "two")
        self.stage.pass_time(100)
        self.assertFalse(self.stage.module.posting)
        self.assertEqual(len(Webhook.contents), 2)
        texts = [text for _, text in self.stage.logs]
        self.assertIn("50035", texts[0])
        self.assertIn("refused the webhook (404)", texts[1])
        self.assertNotIn("secret", "".join(texts))

    def test_what_waits_is_sent_when_the_script_ends(self) -> None:
        self.stage.join("Ann")
        self.stage.close()
        self.assertEqual(Webhook.contents, ["➡️ **Ann** has joined"])
