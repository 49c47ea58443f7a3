# SPDX-License-Identifier: Apache-2.0
"""
A token bit by bit, for a person: 20 digits, class, cipher block, data block, fields, check sum, result.

Steps are records, not text: `label` and `sentence` are English msgids, `params` fills the sentence's named places, so
that a terminal and a translated page show the same thing. What tells of a new key (its parts, and a check sum over them)
is masked unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from duaarah.core.sts.configuration import KeyConfiguration
from duaarah.core.sts.crc import crc
from duaarah.core.sts.decode import Result, decode
from duaarah.core.sts.decoder_key import DecoderKey
from duaarah.core.sts.describe import KIND_NAMES
from duaarah.core.sts.explain_fields import described
from duaarah.core.sts.explain_sentences import LABELS, SENTENCES
from duaarah.core.sts.explain_step import Step
from duaarah.core.sts.fields import KEY_CHANGE, LAYOUTS, Fields, unpack
from duaarah.core.sts.tid import ken_allows
from duaarah.core.sts.token import extract_class, is_currency, parse

__all__ = ["Explanation", "Step", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    Class, subclass and result as far as they can be known, the kind's name (an English msgid, "" when unknown), and the
    steps in reading order. `result` is None without the key that classes 0 and 2 need.
    """

    token_class: int
    subclass: int | None
    kind: str
    result: Result | None
    fields: Fields | None = field(repr=False)
    steps: tuple[Step, ...] = field(repr=False)


def explain(
    token: str,
    key: DecoderKey | None = None,
    configuration: KeyConfiguration | None = None,
    *,
    tid_store: Collection[int] | None = None,
    show_new_key: bool = False,
) -> Explanation:
    """
    Take a token apart. A wrong check sum is shown, not raised; so is a class that needs a key when there is none.

    `configuration` gives the base date, KT and KEN; without it a TID is shown for all three base dates.

    Raises:
        TokenLength, TokenRange: these digits are no token at all.
    """
    number = parse(token)
    token_class, block = extract_class(number)
    steps = list(_outside(token, number, token_class, block))
    if token_class == 3:
        steps.append(_result(Result.UNSUPPORTED))
        return Explanation(3, None, "", Result.UNSUPPORTED, None, tuple(steps))
    if token_class != 1:
        if key is None:
            steps.append(_step("cipher", "locked", None, "", "locked"))
            return Explanation(token_class, None, "", None, None, tuple(steps))
        block = key.decrypt(block)
        steps.append(_step("cipher", "data", (63, 0, block), f"{block:016X}", "data", ea=key.ea))
    payload48, found = block >> 16, block & 0xFFFF
    currency = is_currency(token_class, payload48 >> 44)
    expected = crc(token_class, payload48, currency=currency)
    fields = unpack(token_class, payload48) if found == expected else None
    steps += _inside(token_class, payload48, found == expected, fields, configuration)
    steps.append(
        _step(
            "check",
            "crc_c" if currency else "crc",
            (15, 0, found),
            f"{found:04X}",
            "crc_right" if found == expected else "crc_wrong",
            expected=f"{expected:04X}",
            actual=f"{found:04X}",
        )
    )
    if fields is not None and fields.kind in KEY_CHANGE and not show_new_key:
        steps = [_masked(step) for step in steps]
    result = _judged(token, key, configuration, tid_store)
    steps += _verdict(result, fields, configuration)
    known = found == expected
    subclass = payload48 >> 44 if known else None
    kind = KIND_NAMES.get((token_class, payload48 >> 44), "") if known else ""
    return Explanation(token_class, subclass, kind, result, fields, tuple(steps))


def _masked(step: Step) -> Step:
    """Bits 47..0 of a key-change section are the key's part and a check sum that would halve the guessing."""
    if step.name == "data":
        return replace(step, bits=step.bits[:16] + "x" * 48, value=step.value[:4] + "#" * 12)
    hidden = {"crc": "crc_hidden", **dict.fromkeys(("nkho", "nklo", "nkmo1", "nkmo2"), "new_key_hidden")}
    if step.name not in hidden:
        return step
    digits = len(step.bits)
    sentence = SENTENCES[hidden[step.name]]
    return replace(step, bits="x" * digits, value="#" * (digits // 4), sentence=sentence, params={})


def _judged(
    token: str, key: DecoderKey | None, configuration: KeyConfiguration | None, tid_store: Collection[int] | None
) -> Result:
    kt, ken = (configuration.kt, configuration.ken) if configuration else (2, 255)
    oldest = min(tid_store) if tid_store else None
    return decode(token, key, kt=kt, ken=ken, tid_store=tid_store, oldest_tid=oldest).result


def _step(
    stage: str, name: str, bits: tuple[int, int, int] | None, value: str, sentence: str, **params: str | int
) -> Step:
    """`bits` is highest bit, lowest bit, and the number they hold."""
    first, last, raw = bits or (None, None, 0)
    text = f"{raw:0{first - last + 1}b}" if first is not None and last is not None else ""
    return Step(stage, name, first, last, text, value, LABELS[name], SENTENCES[sentence], params)


def _outside(token: str, number: int, token_class: int, block: int) -> Iterator[Step]:
    """What anybody can see without a key."""
    yield _step("entry", "digits", None, " ".join(token[i : i + 4] for i in range(0, 20, 4)), "digits")
    yield _step("entry", "number", (65, 0, number), f"{number:017X}", "number")
    yield _step("class", "class", (28, 27, token_class), str(token_class), "class", token_class=token_class)
    yield _step("class", "moved", (65, 64, number >> 64), str(number >> 64), "moved")
    sentence = {1: "block_clear", 3: "block_reserved"}.get(token_class, "block_encrypted")
    yield _step("class", "block", (63, 0, block), f"{block:016X}", sentence)


def _inside(
    token_class: int, payload48: int, fits: bool, fields: Fields | None, configuration: KeyConfiguration | None
) -> Iterator[Step]:
    """The payload: subclass, then each field in the order of its bits (numbered within the 64-bit data block)."""
    if not fits:
        yield _step("fields", "payload", (63, 16, payload48), f"{payload48:012X}", "noise")
        return
    subclass = payload48 >> 44
    kind = token_class, subclass
    params: Mapping[str, str | int] = {"token_class": token_class, "subclass": subclass}
    sentence = "subclass" if kind in LAYOUTS else "subclass_unknown"
    yield _step("fields", "subclass", (63, 60, subclass), KIND_NAMES.get(kind, str(subclass)), sentence, **params)
    if fields is None:
        rest = payload48 & (1 << 44) - 1
        yield _step("fields", "payload", (59, 16, rest), f"{rest:011X}", "payload")
        return
    low = 60
    for name, width in LAYOUTS[kind]:
        low -= width
        base_date = configuration.base_date if configuration else None
        for part in described(fields, name, width, low, base_date):
            yield _step("fields", part.name, part.bits, part.value, part.sentence, **part.params)


def _verdict(result: Result, fields: Fields | None, configuration: KeyConfiguration | None) -> Iterator[Step]:
    if fields is not None and fields.tid is not None and configuration is not None:
        needed = fields.tid >> 16
        sentence = "ken_fine" if ken_allows(fields.tid, configuration.ken) else "ken_expired"
        yield _step("check", "ken", None, str(needed), sentence, needed=needed, ken=configuration.ken)
    yield _result(result)


def _result(result: Result) -> Step:
    return _step("verdict", "result", None, result.value, f"result_{result.value}")
