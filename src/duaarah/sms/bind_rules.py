# SPDX-License-Identifier: Apache-2.0
"""What a bind's fields may hold. Pure but for the zone database and the reading of certificates; a problem is a code."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import ssl
import zoneinfo
from collections.abc import Mapping
from typing import Any

from duaarah.sms.models import Bind

# In the order of the form. `name` is written once: the password is wrapped for it, and queues are known by it.
FIELDS = (
    *("name", "kind", "bind_group", "active", "host", "port", "tls", "tls_ca", "tls_pin"),
    *("system_id", "system_type", "address_range", "short_codes", "service_type", "tariffs"),
    *("short_code_ton", "short_code_npi", "msisdn_ton", "msisdn_npi", "default_alphabet", "long_text"),
    *("window", "tps_max", "enquire_link_s", "response_timeout_s", "attempts_max", "bind_refusals_max"),
    *("id_base", "receipt_dialect", "receipt_zone"),
)
# A transmitter and a receiver at once: two rows of one group. Of new binds only.
PAIR = "PAIR"
PAIR_KINDS = (("-tx", Bind.Kind.TX), ("-rx", Bind.Kind.RX))
RANGES = {
    "port": (1, 65_535),
    "window": (1, 1_000),
    "tps_max": (1, 10_000),
    "enquire_link_s": (5, 600),
    "response_timeout_s": (1, 120),
    "attempts_max": (1, 50),
    "bind_refusals_max": (1, 50),
    "short_code_ton": (0, 6),
    "msisdn_ton": (0, 6),
}
# SMPP v3.4 section 5.2.6.
NPI = (0, 1, 3, 4, 6, 8, 9, 10, 14, 18)
# Section 4.1.1 says 8; real SMSCs take longer ones, the codec 32.
PASSWORD_MAX = 32
SHORT_CODES_MAX = 20
LENGTHS = {"system_id": 15, "system_type": 12, "service_type": 5, "address_range": 40}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "kind": tuple(Bind.Kind.values),
    "id_base": tuple(Bind.IdBase.values),
    "receipt_dialect": tuple(Bind.Dialect.values),
    "default_alphabet": tuple(Bind.Alphabet.values),
    "long_text": tuple(Bind.LongText.values),
}
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,34}[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
_SERVICE = re.compile(r"[A-Za-z0-9]{1,5}")
_PIN = re.compile(r"[0-9a-fA-F]{64}")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")


def defaults() -> dict[str, Any]:
    """Values of a form that nobody has filled in: the model's own, off until somebody switches it on, the usual port."""
    known = {f.name: f.get_default() for f in Bind._meta.concrete_fields if f.has_default()}
    blank: dict[str, Any] = {
        "name": "",
        "host": "",
        "system_id": "",
        "bind_group": "",
        "system_type": "",
        "service_type": "",
    }
    blank |= {"tls_ca": "", "tls_pin": "", "address_range": "", "short_codes": []}
    made = {**blank, **known, "port": 2775, "active": False}
    return {name: made[name] for name in FIELDS}


def values_of(bind: Bind) -> dict[str, Any]:
    """A bind's FIELDS as a draft keeps them."""
    return {name: getattr(bind, name) for name in FIELDS}


def fingerprint(bind: Bind) -> str:
    """SHA-256 of everything that a person sets, the wrapped password too: what changed it, changes this."""
    said = [values_of(bind), bytes(bind.password_wrapped).hex(), bind.operator_id]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(field, old, new) of what differs, in the order of the form."""
    return [(name, old[name], new[name]) for name in FIELDS if old[name] != new[name]]


def host_is_sound(host: str) -> bool:
    """An IP address, or a host name of letters, digits and hyphens; no scheme, no port, no space."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        labels = host.removesuffix(".").split(".")
        # Digits and dots alone are an address, and no sound one.
        return len(host) <= 120 and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()
    return True


def password_problem(password: str) -> str:
    """Code of what is wrong with a password (PASSWORD_MAX printable characters); empty when nothing is."""
    if len(password) > PASSWORD_MAX:
        return "password_long"
    return "" if _PRINTABLE.fullmatch(password) else "ascii"


def check(values: Mapping[str, Any], *, lease_s: int) -> dict[str, str]:
    """
    Field -> code of what is wrong with it; empty when all of it may be written. A number that could not be read is a str.

    `lease_s`: a response later than this would find its segment judged already.
    """
    wrong: dict[str, str] = {}
    for name, (least, most) in RANGES.items():
        value = values[name]
        if not isinstance(value, int) or isinstance(value, bool):
            wrong[name] = "number"
        elif not least <= value <= most:
            wrong[name] = f"range_{name}" if not name.endswith("_ton") else "range_ton"
    if "response_timeout_s" not in wrong and values["response_timeout_s"] >= lease_s:
        wrong["response_timeout_s"] = "response_after_lease"
    for name in ("short_code_npi", "msisdn_npi"):
        if values[name] not in NPI:
            wrong[name] = "npi"
    for name, known in _CHOICES.items():
        if values[name] not in known:
            wrong[name] = "choice"
    for name, most in LENGTHS.items():
        if not _PRINTABLE.fullmatch(values[name]):
            wrong[name] = "ascii"
        elif len(values[name]) > most:
            wrong[name] = f"long_{name}"
    return wrong | _names(values) | _transport(values) | _codes(values)


def _names(values: Mapping[str, Any]) -> dict[str, str]:
    wrong = {}
    if not _NAME.fullmatch(values["name"]):
        wrong["name"] = "name_form"
    if values["bind_group"] and not _NAME.fullmatch(values["bind_group"]):
        wrong["bind_group"] = "name_form"
    if not values["system_id"]:
        wrong["system_id"] = "system_id_missing"
    if values["receipt_zone"] not in zoneinfo.available_timezones():
        wrong["receipt_zone"] = "zone"
    return wrong


def _transport(values: Mapping[str, Any]) -> dict[str, str]:
    wrong = {}
    if not host_is_sound(values["host"]):
        wrong["host"] = "host_form"
    if values["tls_pin"] and not _PIN.fullmatch(values["tls_pin"]):
        wrong["tls_pin"] = "pin_form"
    if values["tls_ca"]:
        try:
            ssl.create_default_context(cadata=values["tls_ca"])
        except (ssl.SSLError, ValueError):
            wrong["tls_ca"] = "ca_form"
    for name in ("tls_ca", "tls_pin"):
        if values[name] and not values["tls"]:
            wrong.setdefault(name, "tls_off")
    return wrong


def _codes(values: Mapping[str, Any]) -> dict[str, str]:
    wrong = {}
    codes = values["short_codes"]
    if not codes:
        wrong["short_codes"] = "short_codes_missing"
    elif not all(map(_SHORT_CODE.fullmatch, codes)):
        wrong["short_codes"] = "short_code_form"
    elif len(set(codes)) != len(codes) or len(codes) > SHORT_CODES_MAX:
        wrong["short_codes"] = "short_codes_many"
    tariffs = values["tariffs"]
    if not isinstance(tariffs, dict) or not all(map(_SERVICE.fullmatch, tariffs.values())):
        wrong["tariffs"] = "tariff_form"
    elif not wrong and not set(tariffs) <= set(codes):
        wrong["tariffs"] = "tariff_code"
    return wrong
