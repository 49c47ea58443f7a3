# SPDX-License-Identifier: Apache-2.0
"""
A TCP port for one web server at a time.

The web server listens with SO_REUSEPORT, so that its processes share the port; two servers started together would share
it as well, and the kernel would mix their visitors. A claim (an abstract Unix socket, gone with its process however that
ends) is what only one can hold; a bind without SO_REUSEPORT finds everybody else.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys

TRIED = 100
# Here, so that a claim lives as long as the process even where nobody keeps the object.
_HELD: set[PortClaim] = set()


class PortTaken(Exception):
    """Somebody listens there already, or the port is not ours to open; the message says what to do."""

    code = "port_taken"
    retryable = True


class PortClaim:
    """The right to listen on `host:port` until `release` or the end of this process."""

    def __init__(self, host: str, port: int) -> None:
        """Raises PortTaken."""
        self.host, self.port = host, port
        self._mark: socket.socket | None = None
        if sys.platform == "linux":
            self._mark = socket.socket(socket.AF_UNIX)
        try:
            if self._mark is not None:
                self._mark.bind(f"\0duaarah-port-{port}")
            _probe(host, port)
        except OSError as error:
            self.release()
            raise PortTaken(_sentence(host, port, error)) from error
        _HELD.add(self)

    def release(self) -> None:
        """Somebody else may have it."""
        _HELD.discard(self)
        if self._mark is not None:
            self._mark.close()

    def survive_exec(self) -> None:
        """The program that replaces this process keeps the claim."""
        if self._mark is not None:
            self._mark.set_inheritable(True)


def _probe(host: str, port: int) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        # A port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _sentence(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"The host {host} is not known here."
    if error.errno == errno.EACCES:
        return f"Port {port} needs the rights of the system's administrator; take one above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine."
    return f"Port {port} is in use; take another with --port, or end what listens there."


def claim_next(host: str, first: int) -> PortClaim:
    """The first port from here on that can be had, of a hundred. Raises PortTaken."""
    last = min(first + TRIED - 1, 65535)
    for port in range(first, last + 1):
        with contextlib.suppress(PortTaken):
            return PortClaim(host, port)
    raise PortTaken(f"No free port from {first} to {last}; name another with --port.")
