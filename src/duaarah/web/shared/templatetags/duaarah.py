# SPDX-License-Identifier: Apache-2.0
"""Figures as people here read them: comma and dot by language, an age beside each reading, zones by name."""

from __future__ import annotations

import datetime as dt
import math
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext, gettext_lazy

from duaarah.headend.models import Command
from duaarah.messaging.texts import kwh as _kwh
from duaarah.messaging.texts import short_drn
from duaarah.people.models import Login
from duaarah.vending.queries import Step
from duaarah.web.shared.ledger_words import ACCOUNTS as LEDGER_ACCOUNTS
from duaarah.web.shared.supply import Days

register = template.Library()

ACCOUNTS = {
    "wallet": gettext_lazy("Wallet"),
    "vending:pending": gettext_lazy("Paid, token to come"),
    "cash:received": gettext_lazy("Cash received"),
    "pln:stroom": gettext_lazy("Stroom (energy)"),
    "pln:ppj": gettext_lazy("Street lighting tax (PPJ)"),
    "pln:ppn": gettext_lazy("VAT (PPN)"),
    "pln:stamp": gettext_lazy("Stamp duty"),
    "pln:instalment": gettext_lazy("Instalment"),
    "pln:rounding": gettext_lazy("Rounding"),
    "channel:admin": gettext_lazy("Admin fee"),
}
SIGNS = {
    "nyala": gettext_lazy("supply on"),
    "padam": gettext_lazy("power cut"),
    "putus": gettext_lazy("switched off"),
    "habis": gettext_lazy("credit empty"),
    "diam": gettext_lazy("modem silent"),
}
ORDER_STEPS = {
    "queued": gettext_lazy("Queued"),
    "sent": gettext_lazy("Sent"),
    "over_ip": gettext_lazy("Asked over IP"),
    "delivered": gettext_lazy("Delivered by the network"),
    "executed": gettext_lazy("Executed: the meter says so"),
    "refused": gettext_lazy("Refused by the meter"),
    "expired": gettext_lazy("Given up: no answer in time"),
    "withdrawn": gettext_lazy("Withdrawn"),
}
# Data-Access-Result and Action-Result (IEC 62056-5-3, 9.5).
ORDER_RESULTS = {
    "hardware_fault": gettext_lazy("a fault in the meter"),
    "temporary_failure": gettext_lazy("not possible at the moment"),
    "read_write_denied": gettext_lazy("not allowed"),
    "object_undefined": gettext_lazy("not known to this meter"),
    "object_class_inconsistent": gettext_lazy("not known to this meter"),
    "object_unavailable": gettext_lazy("not available now"),
    "type_unmatched": gettext_lazy("written otherwise than this meter expects"),
    "scope_violated": gettext_lazy("not allowed"),
    "data_unavailable": gettext_lazy("not available now"),
    "other_reason": gettext_lazy("the number is outside what this meter takes"),
}
ROTATION_STEPS = {
    "kept": gettext_lazy("Drawn and kept"),
    "sent": gettext_lazy("Sent, wrapped under the master key"),
    "transferred": gettext_lazy("Taken: the meter says so"),
    "proven": gettext_lazy("In force: the meter has used them"),
}
ROTATION_RESULTS = {
    "no_answer": gettext_lazy("no answer; both keys are tried"),
    "old_keys_used": gettext_lazy("it goes on under the old keys"),
    "other_reason": gettext_lazy("the meter has another master key"),
}
STEPS = {
    "paid": gettext_lazy("Paid"),
    "token": gettext_lazy("Token made"),
    "sent": gettext_lazy("Sent to the meter"),
    "answer": gettext_lazy("Meter's answer"),
    "loaded": gettext_lazy("Loaded: the meter says so"),
    "rejected": gettext_lazy("Refused by the meter"),
    "digits": gettext_lazy("Digits sent to the phone"),
    "refunded": gettext_lazy("Cancelled, money returned"),
    "approved": gettext_lazy("Approved by a second person"),
    "parts": gettext_lazy("Parts of the new key made"),
    "2.3": gettext_lazy("Part 2.3 of the new key"),
    "2.4": gettext_lazy("Last part 2.4"),
    "2.8": gettext_lazy("Part 2.8 of the new key"),
    "2.9": gettext_lazy("Part 2.9 of the new key"),
    "proof": gettext_lazy("Proof: a token without energy, made with the new key"),
    "changed": gettext_lazy("Changed: the meter has proven its new key"),
    "failed": gettext_lazy("Failed: the meter keeps its old key"),
    "withdrawn": gettext_lazy("Withdrawn"),
}
REGISTER_STATES = {
    "active": ("nyala", gettext_lazy("makes tokens")),
    "not_yet_active": ("wait", gettext_lazy("not yet active")),
    "pending": ("wait", gettext_lazy("waits for two operators")),
    "expired": ("habis", gettext_lazy("makes no more tokens")),
}
KEY_RESULTS = {
    "accept": gettext_lazy("accepted"),
    "used": gettext_lazy("accepted before, the answer was lost"),
    "crc": gettext_lazy("not readable with the meter's key"),
    "wrong_key": gettext_lazy("the meter reads neither the old nor the new key"),
    "not_taken": gettext_lazy("the meter took the parts, but never as one set"),
    "key_expired": gettext_lazy("the meter says that the new key is expired"),
    "unsupported": gettext_lazy("the meter does not know keys of this kind"),
    "new_ken_expired": gettext_lazy("the new key is expired"),
    "unknown_register": gettext_lazy("the key store has no such register"),
    "register_not_active": gettext_lazy("the register may not make tokens yet"),
    "register_expired": gettext_lazy("the register may not make tokens any more"),
}
ZONE_NAMES = {"Asia/Jakarta": "WIB", "Asia/Makassar": "WITA", "Asia/Jayapura": "WIT"}
MONTHS_ID = ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des")
MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _language() -> str:
    return "en" if (get_language() or "id").startswith("en") else "id"


@register.filter
def kwh(energy_wh: int | None) -> str:
    """Wh -> `12,4 kWh`, `12.4 kWh`; never more digits than are true."""
    return "-" if energy_wh is None else f"{_kwh(energy_wh, _language())} kWh"


@register.filter
def kwh_plain(energy_wh: int) -> str:
    """The figure alone, for a field: `12,4`, `12.4`."""
    return _kwh(energy_wh, _language())


DAYS_SHOWN_MAX = 60


@register.filter
def days_left(days: Days) -> str:
    """`± 3 hari (2–4)`, `± 3 days (2–4)`: whole days, since no forecast is better than that."""
    if days.days < 1:
        return gettext("less than a day")
    if round(days.days) > DAYS_SHOWN_MAX:
        return gettext("more than %(n)d days") % {"n": DAYS_SHOWN_MAX}
    low, high = int(days.low), min(math.ceil(days.high), DAYS_SHOWN_MAX)
    words = (
        gettext("± %(n)d days (%(low)d–%(high)d)") if round(days.days) > 1 else gettext("± 1 day (%(low)d–%(high)d)")
    )
    return words % {"n": round(days.days), "low": low, "high": high}


@register.filter
def volts(voltage_mv: int) -> str:
    """mV -> `219,4 V`, `219.4 V`, cut."""
    whole, tenth = divmod(voltage_mv // 100, 10)
    return f"{whole}{',' if _language() == 'id' else '.'}{tenth} V"


@register.filter
def permille(number: int) -> str:
    """`987` -> `98,7 %`, `98.7 %`."""
    return f"{number // 10}{',' if _language() == 'id' else '.'}{number % 10} %"


@register.filter
def rupiah(amount_idr: int | None) -> str:
    """`Rp 50.000`, `Rp 50,000`."""
    if amount_idr is None:
        return "-"
    text = f"{amount_idr:,}"
    return "Rp " + (text.replace(",", ".") if _language() == "id" else text)


@register.filter
def sen(amount_sen: int) -> str:
    """1/100 rupiah as rupiah, with the two digits only where they are not zero."""
    sign, whole, rest = "-" if amount_sen < 0 else "", abs(amount_sen) // 100, abs(amount_sen) % 100
    comma = "," if _language() == "id" else "."
    return sign + rupiah(whole) + (f"{comma}{rest:02d}" if rest else "")


@register.filter
def rupiah_two(amount_sen: int) -> str:
    """1/100 rupiah with both decimals and no mark of the currency, for columns: `1.234,50`, `1,234.50`."""
    text = f"{abs(amount_sen) // 100:,}.{abs(amount_sen) % 100:02d}"
    text = text.translate(str.maketrans(",.", ".,")) if _language() == "id" else text
    return f"-{text}" if amount_sen < 0 else text


@register.filter
def instant(at: dt.datetime | None, zone: str = "Asia/Jakarta") -> str:
    """`23 Nov 2026 18.40 WIB`, `23 Nov 2026 18:40 WIB`."""
    if at is None:
        return "-"
    local = at.astimezone(ZoneInfo(zone))
    months, mark = (MONTHS_ID, ".") if _language() == "id" else (MONTHS_EN, ":")
    return f"{local.day} {months[local.month - 1]} {local.year} {local:%H}{mark}{local:%M} {ZONE_NAMES.get(zone, zone)}"


@register.filter
def day(date: dt.date) -> str:
    """`1 Mar 2026`."""
    return f"{date.day} {(MONTHS_ID if _language() == 'id' else MONTHS_EN)[date.month - 1]} {date.year}"


@register.filter
def month_name(date: dt.date) -> str:
    """`Mar 2026`."""
    return f"{(MONTHS_ID if _language() == 'id' else MONTHS_EN)[date.month - 1]} {date.year}"


@register.filter
def count(number: int) -> str:
    """`1.234`, `1,234`."""
    text = f"{number:,}"
    return text.replace(",", ".") if _language() == "id" else text


@register.filter
def clock(at: dt.datetime | None, zone: str = "Asia/Jakarta") -> str:
    """`18.40.07`: the time of a day, for lists whose day is known."""
    if at is None:
        return ""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%H.%M.%S}" if _language() == "id" else f"{local:%H:%M:%S}"


@register.filter
def short_time(at: dt.datetime | None, zone: str = "Asia/Jakarta") -> str:
    """`18.40`: the time of a day without seconds."""
    return "" if at is None else at.astimezone(ZoneInfo(zone)).strftime("%H.%M" if _language() == "id" else "%H:%M")


@register.filter
def moment(at: dt.datetime | None, now: dt.datetime) -> str:
    """`18.40.07` today, `15 Feb 18.40` before: for lists that run on from yesterday."""
    if at is None:
        return ""
    zone = ZoneInfo("Asia/Jakarta")
    local = at.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return clock(at)
    months, mark = (MONTHS_ID, ".") if _language() == "id" else (MONTHS_EN, ":")
    return f"{local.day} {months[local.month - 1]} {local:%H}{mark}{local:%M}"


@register.filter
def age(at: dt.datetime | None, now: dt.datetime) -> str:
    """How long ago by business time: `4 menit lalu`."""
    if at is None:
        return gettext("never")
    minutes = max(0, int((now - at).total_seconds())) // 60
    if minutes < 1:
        return gettext("just now")
    if minutes < 60:
        return gettext("%(n)d minutes ago") % {"n": minutes}
    if minutes < 48 * 60:
        return gettext("%(n)d hours ago") % {"n": minutes // 60}
    return gettext("%(n)d days ago") % {"n": minutes // (24 * 60)}


@register.filter
def span(seconds: int | None) -> str:
    """How long something took, in its two largest units: `4 menit 12 detik`."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return gettext("%(n)d seconds") % {"n": seconds}
    if seconds < 3600:
        return gettext("%(m)d min %(s)d s") % {"m": seconds // 60, "s": seconds % 60}
    return gettext("%(h)d h %(m)d min") % {"h": seconds // 3600, "m": seconds % 3600 // 60}


@register.filter
def drn(number: str) -> str:
    """A meter's number with its middle left out."""
    return short_drn(number)


@register.filter
def groups(digits: str) -> str:
    """The 20 digits as they are keyed in."""
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


@register.filter
def word(label: object) -> str:
    """A state's or a kind's label in the reader's language."""
    return gettext(str(label)) if label else ""


@register.filter
def account(code: str) -> str:
    """A ledger account in words; one that has none here keeps its code."""
    known = {**LEDGER_ACCOUNTS, **ACCOUNTS}
    return str(known.get(code) or known.get(code.split(":")[0]) or code)


@register.filter
def sign(name: str) -> SafeString:
    """A supply state: a word, a sign and a colour together."""
    return format_html('<span class="chip {}">{}</span>', name, SIGNS.get(name, name))


@register.filter
def step(name: str) -> str:
    """A step of a journey in words."""
    return str(STEPS.get(name, name))


@register.filter
def order_step(name: str) -> str:
    """A step of an order in words."""
    return str(ORDER_STEPS.get(name, name))


@register.filter
def order_result(name: str) -> str:
    """Why a meter refused, in words."""
    return str(ORDER_RESULTS.get(name, name))


@register.filter
def rotation_step(name: str) -> str:
    """A step of new DLMS keys in words."""
    return str(ROTATION_STEPS.get(name, name))


@register.filter
def rotation_result(name: str) -> str:
    """Why new DLMS keys are not in force, in words."""
    return str({**ORDER_RESULTS, **ROTATION_RESULTS}.get(name, name))


@register.filter
def order_label(kind: str) -> str:
    """An order's kind in words."""
    return gettext(Command.Kind(kind.upper()).label)


@register.filter
def hops(steps: list[Step]) -> SafeString:
    """A journey in one line: a mark for each step, and where it stands in words."""
    marks = format_html_join("", '<i class="{}"></i>', ((one.state,) for one in steps))
    more = " …" if steps[-1].state == "now" else ""
    words = '<span class="hops" aria-hidden="true">{}</span> <span class="mute">{}{}</span>'
    return format_html(words, marks, step(steps[-1].name), more)


@register.filter
def register_state(name: str) -> SafeString:
    """A key register's state: a word, a sign and a colour together."""
    look, words = REGISTER_STATES.get(name, ("diam", name))
    return format_html('<span class="chip {}">{}</span>', look, words)


@register.filter
def key_result(code: str) -> str:
    """A meter's word on a part of a new key, or why a change failed."""
    return str(KEY_RESULTS.get(code, code))


@register.filter
def percent_of(part: int, whole: int) -> int:
    """0 to 100, for bars."""
    return 0 if not whole else max(0, min(100, 100 * part // whole))


@register.filter
def only_of(values: dict[str, str], names: str) -> dict[str, str]:
    """What of an address a form keeps: `akun,buku`."""
    return {name: values[name] for name in names.split(",") if name in values}


@register.filter
def plain(number: int) -> str:
    """A figure for a program's eyes, without marks: in a hidden field."""
    return str(number)


@register.filter
def member_of(user: object, kind: str) -> bool:
    """Whether a login belongs to an organisation of this kind: menus show what opens."""
    if not isinstance(user, Login):
        return False
    return user.memberships.filter(unit__organisation__kind=kind).exclude(unit__channels__kind="DEPOSIT").exists()
