"""A mail server on a socket of this machine that says what it is told to say, and keeps what it took."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

WORDS = {"greeting": "220 peer", "ehlo": "250 peer", "mail": "250 ok", "rcpt": "250 ok", "data": "354 go on"}


class Peer(socketserver.ThreadingTCPServer):
    """
    `scripts`: for each connection in turn, what is said at a stage instead of yes; "" hangs up there. Stages: greeting, ehlo,
    mail, rcpt, data, end (the whole message is there), quit. `whole`: messages that came whole; `taken`: those answered 250.
    """

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.scripts: list[dict[str, str]] = []
        self.whole: list[EmailMessage] = []
        self.taken: list[EmailMessage] = []
        self.connections = 0


class _Talk(socketserver.StreamRequestHandler):
    server: Peer

    def handle(self) -> None:
        self.server.connections += 1
        script = self.server.scripts.pop(0) if self.server.scripts else {}
        if not self._say(script, "greeting"):
            return
        while line := self.rfile.readline():
            verb = line.split()[0].decode().lower() if line.split() else ""
            if verb == "quit":
                self._say(script, "quit", "221 bye")
                return
            stage = {"ehlo": "ehlo", "helo": "ehlo", "mail": "mail", "rcpt": "rcpt", "data": "data"}.get(verb, "other")
            if not self._say(script, stage, "250 ok"):
                return
            if stage == "data" and script.get("data", "3").startswith("3") and not self._message(script):
                return

    def _message(self, script: dict[str, str]) -> bool:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        message = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.server.whole.append(message)
        if not self._say(script, "end", "250 taken"):
            return False
        if script.get("end", "250").startswith("2"):
            self.server.taken.append(message)
        return True

    def _say(self, script: dict[str, str], stage: str, usual: str = "") -> bool:
        words = script.get(stage, WORDS.get(stage, usual))
        if not words:
            return False
        self.wfile.write(f"{words}\r\n".encode())
        self.wfile.flush()
        return True


@contextmanager
def peer() -> Iterator[Peer]:
    with Peer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)
