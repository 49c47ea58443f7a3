"""One simulated meter of each kind, its keys and its tokens, for the tests of both ends of the link."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from duaarah.core.intent import LoadCredit, Report, SetLowCreditThreshold, SetReportingPlan, TokenResult
from duaarah.core.sts import DecoderKey, MeterDecoder, issue_electricity_credit
from duaarah.drivers import Keys, decode_report, encode_command, frame, open_frame, profile, unframe
from duaarah.sim.meter import MeterConfig, SimMeter

KINDS = ("single-phase-modem", "three-phase-modem", "three-phase-retrofit")
WIB = timezone(timedelta(hours=7))
NOW = datetime(2026, 7, 11, 6, 0, 30, tzinfo=WIB)
DRN = "01234567890"
KEYS = Keys(bytes(range(0x10, 0x20)), bytes(range(0x40, 0x50)))
METER_TITLE = b"DUA\x01\x00\x00\x00\x07"
HEAD_END_TITLE = b"HES\x00\x00\x00\x00\x01"
READER_TITLE = b"RDR\x00\x00\x00\x00\x01"
DECODER_KEY = DecoderKey("07", bytes.fromhex("0ABC12DEF3456789"))
OTHER_KEY = DecoderKey("07", bytes.fromhex("1122334455667788"))
TID = 0x64_0000


def build(kind: str, *, credit_wh: int = 20_000, threshold_wh: int = 5_000) -> SimMeter:
    """A meter of this kind with its own decoder."""
    return SimMeter(
        MeterConfig(
            kind=kind,
            drn=DRN,
            system_title=METER_TITLE,
            keys=KEYS,
            client_titles=(HEAD_END_TITLE, READER_TITLE),
            decoder=MeterDecoder(DECODER_KEY),
            credit_wh=credit_wh,
            low_credit_threshold_wh=threshold_wh,
        )
    )


def token(energy_wh: int = 10_000, *, tid: int = TID, key: DecoderKey = DECODER_KEY) -> str:
    """A real token; 10 kWh unless said."""
    return issue_electricity_credit(key, energy_wh=energy_wh, tid=tid, rnd=5, ken=255).digits


def command(kind: str, digits: str, counter: int, *, keys: Keys = KEYS, title: bytes = HEAD_END_TITLE) -> bytes:
    """The SMS that carries a token to a meter of this kind, made by the drivers."""
    known = profile(kind)
    plain = encode_command(known, LoadCredit(digits), counter)
    return frame(known, plain, keys=keys, system_title=title, counter=counter, to_meter=True)


def setting(kind: str, intent: SetLowCreditThreshold | SetReportingPlan, counter: int) -> bytes:
    """The SMS that carries a setting to a meter of this kind, made by the drivers."""
    known = profile(kind)
    plain = encode_command(known, intent, counter)
    return frame(known, plain, keys=KEYS, system_title=HEAD_END_TITLE, counter=counter, to_meter=True)


def read(kind: str, payload: bytes) -> tuple[int, Report]:
    """What a meter's SMS says, read by the drivers, and the counter it came under."""
    known = profile(kind)
    protected = unframe(known, payload)
    assert protected.system_title == METER_TITLE
    return protected.counter, decode_report(known, open_frame(protected, keys=KEYS))


def answer(kind: str, payloads: list[bytes]) -> TokenResult:
    """The one token result in what a meter sent."""
    assert len(payloads) == 1
    report = read(kind, payloads[0])[1]
    assert isinstance(report, TokenResult)
    return report
