# SPDX-License-Identifier: Apache-2.0
"""
The grammar of the customer's SMS, as one table. Pure: text in, intent out, never an exception.

`VERB [site] [number] [code or PIN]`; the order of the words behind the verb does not matter. A small typing error in a
verb is forgiven, unless it could mean two verbs, or money without its PIN or code: then `unsure` holds what to ask.
Courtesy and filling words say nothing; a PIN written where none is needed is not read, so that no answer repeats it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from duaarah.core.msisdn import MSISDNError, canonical
from duaarah.core.tariff import NOMINALS_IDR
from duaarah.texting.numbers import Number, read_number


class Verb(StrEnum):
    BALANCE = "SALDO"
    BUY = "ISI"
    HISTORY = "RIWAYAT"
    WHY = "KENAPA"
    LOAD = "BEBAN"
    THRESHOLD = "BATAS"
    AUTO = "AUTO"
    REPORT = "LAPOR"
    STATUS = "STATUS"
    TOKEN = "TOKEN"
    SHOP = "GERAI"
    STOP = "STOP"
    START = "MULAI"
    PERMIT = "IZIN"
    HELP = "BANTUAN"


@dataclass(frozen=True)
class Rule:
    """
    One verb: how people call it, what its number means, whether the rest is free text.

    `spends`: it takes a PIN or code, and a typing error without one never means it. `permits`: it names another phone.
    `yields`: words of other verbs that mean more than this one ("kenapa listrik mati" reports a fault).
    `skips`: words that only repeat what the verb says. `books`: the message class that the package ledger gets, a name
    of `sms.models.MessageClass`.
    """

    verb: Verb
    words: tuple[str, ...]
    number: str | None = None
    free: bool = False
    spends: bool = False
    permits: bool = False
    skips: frozenset[str] = frozenset()
    yields: frozenset[str] = frozenset()
    books: str = "CUSTOMER_MO"


_CREDIT = frozenset({"SALDO", "TOKEN", "PULSA", "LISTRIK", "STROOM", "STRUM"})
_ASKED_WHY = frozenset(
    {"BEDA", "BERBEDA", "KURANG", "BERKURANG", "TURUN", "NAIK", "SEDIKIT", "BANYAK", "LEBIH", "DAPAT", "DAPATNYA",
     "KWHNYA", "JADI", "INI", "ISI", "HARGA", "TARIF", "TERAKHIR", "CUMA", "HANYA", "SAMA", "TIDAK",
     "IS", "MY", "DIFFERENT", "LESS"}
)  # fmt: skip
_WARNINGS = frozenset({"PERINGATAN", "NOTIFIKASI", "LANGGANAN", "SEMUA"})
RULES = (
    Rule(Verb.BALANCE, ("SALDO", "SISA", "CEK", "BALANCE"), skips=_CREDIT),
    Rule(Verb.BUY, ("ISI", "BELI", "BUY"), number="nominal", spends=True, skips=_CREDIT | {"ULANG"}),
    Rule(Verb.HISTORY, ("RIWAYAT", "HISTORY", "HISTORI"), number="count", skips=_CREDIT | {"ISI", "PEMBELIAN"}),
    Rule(
        Verb.WHY,
        ("KENAPA", "MENGAPA", "KOK", "WHY"),
        skips=_CREDIT | _ASKED_WHY,
        yields=frozenset({"LAPOR", "GANGGUAN", "PADAM", "MATI", "BAHAYA"}),
    ),
    Rule(Verb.LOAD, ("BEBAN", "PROFIL", "PROFILE", "LOAD")),
    Rule(Verb.THRESHOLD, ("BATAS", "LIMIT"), number="energy", skips=frozenset({"PERINGATAN"})),
    # AUTO <nominal> <kWh> <budget> <PIN>: its numbers mean by their order.
    Rule(
        Verb.AUTO,
        ("AUTO", "OTOMATIS"),
        number="rule",
        spends=True,
        skips=frozenset({"ISI", "BATAS", "PLAFON", "PLAFOND"}),
    ),
    Rule(Verb.REPORT, ("LAPOR", "GANGGUAN", "PADAM", "MATI", "BAHAYA", "REPORT"), free=True, books="FAULT_MO"),
    Rule(Verb.STATUS, ("STATUS", "TIKET", "TICKET"), free=True, books="FAULT_MO"),
    Rule(Verb.TOKEN, ("TOKEN", "STROOM"), skips=_CREDIT | {"TERAKHIR"}),
    Rule(Verb.SHOP, ("GERAI", "LOKET", "TOKO", "SHOP"), free=True),
    Rule(Verb.STOP, ("STOP", "SETOP", "BERHENTI", "UNREG"), skips=_WARNINGS),
    Rule(Verb.START, ("MULAI", "START"), skips=_WARNINGS),
    # Giving authority is like spending: never by a typing error without the PIN.
    Rule(Verb.PERMIT, ("IZIN", "PERMIT"), number="count", spends=True, permits=True),
    Rule(Verb.HELP, ("BANTUAN", "BANTU", "HELP", "INFO"), free=True),
)
BY_WORD = {word: rule for rule in RULES for word in rule.words}
BY_VERB = {rule.verb: rule for rule in RULES}
# Words of their own, one letter away from a verb: "cancel", "free", the island, "fill up the shelf", "at", "heart".
NOT_TYPING_ERRORS = frozenset({"BATAL", "BEBAS", "BALI", "STOK", "PADA", "HATI"})

ENDS = "END"
RIGHTS = {"BACA": "READ", "LIHAT": "READ", "READ": "READ", "BELI": "BUY", "BUY": "BUY", "HAPUS": ENDS, "CABUT": ENDS}

OFF_WORDS = frozenset({"OFF", "STOP", "SETOP", "BERHENTI", "MATI", "NONAKTIF", "HAPUS"})

WORDS_MAX = 8
TYPING_ERROR_LETTERS_MIN = 4
_CODE = re.compile(r"[A-Z][0-9][A-Z]")
_PIN = re.compile(r"[0-9]{6}")
# A site's alias, a meter's number (11 or 13 digits) or a customer's (12).
_ALIAS = re.compile(r"[A-Z][A-Z0-9-]{1,11}|[0-9]{11,13}")
_NOISE = frozenset(
    {"PIN", "KODE", "CODE", "RP", "METER", "KWH", "DONG", "YA", "KAK", "MIN", "PAK", "BU", "SAYA", "BERAPA", "UTK",
     "UNTUK", "TOLONG", "MOHON", "SEKARANG"}
)  # fmt: skip
# "Cek saldo", "selamat pagi tolong isi", "listrik mati": what stands before a verb.
_BEFORE_A_VERB = frozenset(
    {"CEK", "INFO", "TOLONG", "MOHON", "MINTA", "MAU", "UBAH", "SAYA", "HALO", "SELAMAT", "PAGI", "SIANG", "SORE",
     "MALAM", "LISTRIK", "LAMPU"}
)  # fmt: skip
# "ISI#50000#123456", "ISI*50000*123456": how other services of the phone are written to.
_SEPARATORS = str.maketrans(dict.fromkeys(":;#*=/_|", " "))
_STUCK = re.compile(r"([A-Z]+)((?:RP\.?)?[0-9].*)")


@dataclass(frozen=True)
class Asked:
    """
    What an SMS asks; fields that were not there are None.

    `nominal_text` is what was written, for the answer. `energy_text` is set when a number for BATAS was given at all,
    `energy_wh` only when it is whole watt-hours. With `unsure` the verb is None and these are the verbs to ask about.
    """

    verb: Verb | None
    nominal_idr: int | None = None
    nominal_text: str | None = None
    code: str | None = None
    pin: str | None = None
    alias: str | None = None
    energy_wh: int | None = None
    energy_text: str | None = None
    count: int | None = None
    phone: str | None = None
    right: str | None = None
    budget_idr: int | None = None
    off: bool = False
    unsure: tuple[Verb, ...] = ()

    def __repr__(self) -> str:
        return f"Asked(verb={self.verb}, nominal_idr={self.nominal_idr}, alias={self.alias!r})"


def parse(text: str) -> Asked:
    """Read one SMS; an empty verb means that we did not understand, or are unsure."""
    words = _words(text)
    if not words:
        return Asked(None)
    exact = BY_WORD.get(words[0])
    rules = [exact] if exact is not None else _near(words[0])
    if len(rules) > 1:
        return Asked(None, unsure=tuple(rule.verb for rule in rules))
    if not rules:
        return Asked(None, unsure=(Verb.BUY,) if _buys_without_verb(words) else ())
    if (other := next((word for word in words[1:] if word in rules[0].yields), None)) is not None:
        return _read(BY_WORD[other], words[1:])
    asked = _read(rules[0], words[1:])
    if exact is None and rules[0].spends and asked.verb is not None and asked.code is None and asked.pin is None:
        return Asked(None, unsure=(rules[0].verb,))
    return asked


def _words(text: str) -> list[str]:
    """The words in upper case, from the verb on where courtesy stands before it; "ISI50RB" is two words."""
    raw = (word.strip("<>.,!?\"'()").upper() for word in text.translate(_SEPARATORS).split())
    words = [word for word in raw if any(letter.isalnum() for letter in word)]
    for at in range(_courtesy(words), 0, -1):
        if at < len(words) and (words[at] in BY_WORD or _near(words[at])):
            words = words[at:]
            break
    stuck = _STUCK.fullmatch(words[0]) if words else None
    return [*stuck.groups(), *words[1:]] if stuck is not None and stuck[1] in BY_WORD else words


def _courtesy(words: list[str]) -> int:
    """How many words at the beginning may stand before a verb."""
    return next((at for at, word in enumerate(words) if word not in _BEFORE_A_VERB), len(words))


def _buys_without_verb(words: list[str]) -> bool:
    """ "50000 K7P": the answer to our own warning, its verb forgotten. Asked about, never done."""
    asked = _read(BY_VERB[Verb.BUY], words)
    secret = asked.code is not None or asked.pin is not None
    return secret and asked.nominal_idr in NOMINALS_IDR and asked.alias is None


def _near(written: str) -> list[Rule]:
    """The rules that a word with one typing error may mean, in the table's order."""
    if not TYPING_ERROR_LETTERS_MIN - 1 <= len(written) <= 12 or written in NOT_TYPING_ERRORS:
        return []
    long_enough = (w for w in BY_WORD if len(w) >= TYPING_ERROR_LETTERS_MIN)
    verbs = {BY_WORD[word].verb for word in long_enough if one_error(written, word)}
    return [rule for rule in RULES if rule.verb in verbs]


def one_error(written: str, meant: str) -> bool:
    """Whether one letter is missing, added, wrong, or two neighbours are swapped."""
    if written == meant or abs(len(written) - len(meant)) > 1:
        return False
    at = next(
        (i for i, (a, b) in enumerate(zip(written, meant, strict=False)) if a != b), min(len(written), len(meant))
    )
    a, b = written[at:], meant[at:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def _read(rule: Rule, words: list[str]) -> Asked:
    if rule.free:
        pin = next((word for word in words if _PIN.fullmatch(word)), None) if rule.spends else None
        return Asked(rule.verb, pin=pin)
    asked, numbers = Asked(rule.verb), []
    kept = [word for word in words if word not in _NOISE and word not in rule.skips and word not in rule.words]
    if not rule.spends:
        kept = [word for word in kept if not _PIN.fullmatch(word)]
    if rule.verb is Verb.WHY:
        # "kenapa 50rb cuma dapat 33 kwh": the figures are in our books already.
        kept = [word for word in kept if read_number([word])[0] is None]
    if len(kept) >= WORDS_MAX:
        return Asked(None)
    while kept:
        if rule.number == "rule" and kept[0] in OFF_WORDS and not asked.off:
            asked = replace(asked, off=True)
            kept.pop(0)
            continue
        if rule.permits and (permitted := _permitted(asked, kept[0])) is not None:
            asked = permitted
            kept.pop(0)
            continue
        number, used = read_number(kept) if rule.number is not None else (None, 0)
        if number is not None:
            numbers.append(number)
            kept = kept[used:]
            continue
        word = kept.pop(0)
        if asked.code is None and rule.spends and _CODE.fullmatch(word):
            asked = replace(asked, code=word)
        elif asked.alias is None and _ALIAS.fullmatch(word):
            asked = replace(asked, alias=word)
        else:
            return Asked(None)
    return _with_numbers(rule, asked, numbers)


def _permitted(asked: Asked, word: str) -> Asked | None:
    """The phone or the right that a word of IZIN names; None when it names neither."""
    if asked.right is None and word in RIGHTS:
        return replace(asked, right=RIGHTS[word])
    try:
        return replace(asked, phone=canonical(word)) if asked.phone is None else None
    except MSISDNError:
        return None


def _with_numbers(rule: Rule, asked: Asked, numbers: list[Number]) -> Asked:
    if rule.number == "rule":
        return _as_rule(asked, numbers)
    if rule.spends:
        asked, numbers = _take_pin(asked, numbers, nominals=rule.number == "nominal")
    if not numbers:
        return asked
    if len(numbers) == 2 and rule.number == "nominal" and asked.pin is None and asked.code is None:
        # ISI 50000 1234: a PIN that is none. Nothing can be bought without one, so the answer may say what is missing.
        numbers = [number for number in numbers if number.whole in NOMINALS_IDR] or numbers
    if len(numbers) > 1:
        return Asked(None)
    (number,) = numbers
    if rule.number == "nominal":
        return replace(asked, nominal_idr=number.whole, nominal_text=number.text)
    if rule.number == "energy":
        return replace(asked, energy_wh=number.thousandths, energy_text=number.text)
    return replace(asked, count=number.whole)


def _as_rule(asked: Asked, numbers: list[Number]) -> Asked:
    """
    Nominal, kWh, budget, in this order, and the PIN: six bare digits behind them, or wherever they are no round amount.

    Of three numbers the last may be a PIN whose budget is missing: nothing is set then, and no answer repeats it.
    """
    odd = [n for n in numbers if _PIN.fullmatch(n.text) and n.whole is not None and n.whole % 1_000]
    pin = odd[-1] if odd else None
    if pin is None and len(numbers) == 4 and _PIN.fullmatch(numbers[3].text):
        pin = numbers[3]
    rest = [number for number in numbers if number is not pin]
    if len(rest) > 3:
        return Asked(None)
    asked = replace(asked, pin=pin.text if pin is not None else None)
    if len(rest) > 0:
        asked = replace(asked, nominal_idr=rest[0].whole, nominal_text=rest[0].text)
    if len(rest) > 1:
        asked = replace(asked, energy_wh=rest[1].thousandths, energy_text=rest[1].text)
    if len(rest) > 2:
        asked = replace(asked, budget_idr=rest[2].whole)
    return asked


def _take_pin(asked: Asked, numbers: list[Number], *, nominals: bool) -> tuple[Asked, list[Number]]:
    """Of the numbers of a purchase, the PIN: six bare digits; of two such, the one that is not a nominal we sell."""
    bare = [number for number in numbers if _PIN.fullmatch(number.text)]
    pins = [number for number in bare if number.whole not in NOMINALS_IDR]
    if not nominals:
        pins = bare
    elif len(numbers) == 1:
        # Alone and no round amount: somebody's PIN, which no answer repeats.
        pins = [number for number in pins if number.whole is not None and number.whole % 1_000]
    elif not pins:
        pins = bare
    if not pins:
        return asked, numbers
    # 150000 123456: no nominal of ours, but written where the nominal stands.
    pin = pins[-1]
    return replace(asked, pin=pin.text), [number for number in numbers if number is not pin]
