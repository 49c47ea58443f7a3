# SPDX-License-Identifier: Apache-2.0
"""What the bench knows of the meter on the table, and the words with which a case ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from duaarah.core.sts import DecoderKey
from duaarah.drivers import Profile
from duaarah.wire.dlms.ciphering import Keys

OWN_TITLE = b"HES\x00\x00\x00\x00\x01"


class Failed(Exception):
    """The meter does not do what the case asks; the text is the reason."""

    code = "case_failed"
    retryable = False


class NotRun(Exception):
    """The case cannot be judged here; the text says why."""

    code = "case_not_run"
    retryable = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Target:
    """The meter: where it is, what kind, which keys the laboratory has. Keys are never printed."""

    host: str
    port: int
    profile: Profile
    keys: Keys | None = None
    own_title: bytes = OWN_TITLE
    meter_title: bytes | None = None
    password: bytes | None = None
    decoder_key: DecoderKey | None = None
    manager_sap: int = 1
    reader_sap: int = 2
    public_sap: int = 16
    server_sap: int = 1
    hdlc: bool = False  # the port speaks HDLC as well
    over_hdlc: bool = False  # everything goes over HDLC
    physical: int | None = None  # HDLC's lower address
    control: tuple[str, int] | None = None
    timeout_s: float = 5.0
    push_s: float = 20.0
    pause_s: float = 0.0  # before each connection: some modems need it
    clock_tolerance_s: int = 60
    nominal_mv: int = 230_000
    tid: int | None = None
    spends_old: bool = False  # 50 tokens, to see that an older one is refused
    quiet_s: float = 30.0  # after which silence is an answer, over SMS
    name: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", f"{self.host}:{self.port}")

    def __repr__(self) -> str:
        return f"Target({self.name}, {self.profile.name})"


@dataclass(slots=True)
class Counter:
    """Our invocation counter: each number once. `keep` is called before a number is used."""

    value: int
    keep: Callable[[int], None] = field(default=lambda _value: None)

    def next(self) -> int:
        """The next one."""
        self.value += 1
        self.keep(self.value)
        return self.value
