# SPDX-License-Identifier: Apache-2.0
"""A simulator's control port: one JSON object a line in, one out, over loopback TCP."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

LINE_OCTETS_MAX = 1 << 20
Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class JSONPort:
    """Serves `handlers` by the request's `op`; whatever a handler raises becomes {"error", "message"}."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Bind; returns the port."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=LINE_OCTETS_MAX)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            handler = self._handlers[request["op"]]
        except (ValueError, KeyError, TypeError):
            return {"error": "bad_request", "message": f"op is one of {', '.join(sorted(self._handlers))}."}
        try:
            return await handler(request)
        except Exception as error:
            return {"error": type(error).__name__, "message": str(error)}


class ControlFailed(Exception):
    """The simulator refused, or cannot be reached."""

    code = "control_failed"


def call(port: int, request: Mapping[str, Any], *, host: str = "127.0.0.1", timeout_s: float = 10) -> dict[str, Any]:
    """One request from blocking code. Raises ControlFailed."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer: dict[str, Any] = json.loads(lines.readline(LINE_OCTETS_MAX))
    except (OSError, ValueError) as error:
        raise ControlFailed(f"The simulator does not answer: {error}") from error
    if "error" in answer:
        raise ControlFailed(f"{answer['error']}: {answer.get('message', '')}")
    return answer
