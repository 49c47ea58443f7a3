# SPDX-License-Identifier: Apache-2.0
"""The bind form: text fields to values and back, without a rule of its own. The password goes one way only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from duaarah.people.models import Organisation
from duaarah.sms.bind_rules import FIELDS, NPI, PAIR, RANGES
from duaarah.sms.models import Bind
from duaarah.web.dataop import bind_words as words

NUMBERS = (*RANGES, "short_code_npi", "msisdn_npi")
ZONES = ("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura", "UTC")
TEXT_MAX = 20_000
WIDE = frozenset({"tls_ca"})
_SPLIT = re.compile(r"[,;\s]+")
_CHOICES = {
    "kind": Bind.Kind.choices,
    "id_base": Bind.IdBase.choices,
    "receipt_dialect": Bind.Dialect.choices,
    "default_alphabet": Bind.Alphabet.choices,
    "long_text": Bind.LongText.choices,
}


def values_from(form: QueryDict, base: Mapping[str, Any]) -> dict[str, Any]:
    """A form as values of sms.bind_rules.FIELDS; what it does not name stays as in `base`. Nothing is judged here."""
    values = dict(base)
    for name in FIELDS:
        if name in form and name not in ("active", "tls"):
            values[name] = _value(name, str(form[name])[:TEXT_MAX].strip())
    values["tls"] = form.get("tls") == "1"
    return values


def _value(name: str, text: str) -> Any:
    if name in NUMBERS:
        return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else text
    if name == "short_codes":
        return [code for code in _SPLIT.split(text) if code]
    if name == "tariffs":
        pairs = [part.partition("=") for part in _SPLIT.split(re.sub(r"\s*=\s*", "=", text)) if part]
        return {code: kind for code, _equals, kind in pairs}
    if name == "tls_pin":
        return re.sub(r"[:\s]", "", text).lower()
    return text.replace("\r\n", "\n")


def shown(name: str, value: Any) -> str:
    """A value as its field shows it, and as the second look does."""
    if name == "short_codes":
        return ", ".join(value)
    if name == "tariffs":
        return ", ".join(f"{code}={kind}" for code, kind in value.items())
    return str(value)


def told(name: str, value: Any) -> str:
    """A value in words, for the second look."""
    if name in ("tls", "active"):
        return _("yes") if value else _("no")
    if name == "tls_ca" and value:
        return f"{value.strip().splitlines()[0]} … ({len(value)})"
    for code, label in choices_of(name, str(value), pairs=True):
        if code == str(value):
            return label
    return shown(name, value) or _("(empty)")


def choices_of(name: str, value: str, *, pairs: bool) -> list[tuple[str, str]]:
    """What a field may be chosen from; empty for a field that is written."""
    if name in _CHOICES:
        found = [(str(code), _(str(label))) for code, label in _CHOICES[name]]
        return [*found, (PAIR, _("Transmitter and receiver: a pair"))] if name == "kind" and pairs else found
    if name == "receipt_zone":
        return [(zone, zone) for zone in (*ZONES, *([value] if value not in ZONES else []))]
    if name.endswith("_ton"):
        return [(str(n), f"{n}: {label}") for n, label in words.TON.items()]
    if name.endswith("_npi"):
        return [(str(n), f"{n}: {words.NPI[n]}") for n in NPI]
    return []


def groups(
    values: Mapping[str, Any],
    problems: Mapping[str, str],
    *,
    new: bool,
    operator: str = "",
    password_kept: bool = False,
) -> list[dict[str, Any]]:
    """The form for a template: groups of fields with label, help, value, choices and what is wrong."""
    made = []
    for title, names in words.GROUPS:
        fields = [
            _field(name, values, problems, new=new, operator=operator, password_kept=password_kept)
            for name in names
            if new or name not in ("name", "operator")
        ]
        made.append({"title": title, "fields": fields})
    return made


def _field(
    name: str, values: Mapping[str, Any], problems: Mapping[str, str], *, new: bool, operator: str, password_kept: bool
) -> dict[str, Any]:
    wrong = words.problem(problems[name]) if name in problems else ""
    if name == "operator":
        organisations = Organisation.objects.filter(kind=Organisation.Kind.MOBILE_OPERATOR).order_by("name")
        choices = [(str(o.pk), o.name) for o in organisations]
        label, help_text = (
            _("Mobile operator"),
            _("Whose SMSC this is. It stays: traffic and invoices are counted by it."),
        )
        return {"name": name, "label": label, "help": help_text, "value": operator, "choices": choices, "wrong": wrong}
    title, explained = words.LABELS[name]
    field = {"name": name, "label": title, "help": explained, "wrong": wrong, "numeric": name in NUMBERS}
    if name == "password":
        kept = _("Leave it empty to keep the one that is there.") if password_kept else ""
        return {**field, "kind": "password", "kept": kept}
    if name == "tls":
        return {**field, "kind": "check", "value": values[name]}
    value = shown(name, values[name])
    return {
        **field,
        "value": value,
        "choices": choices_of(name, value, pairs=new),
        "kind": "area" if name in WIDE else "",
    }
