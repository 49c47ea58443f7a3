# SPDX-License-Identifier: Apache-2.0
"""A kind of meter as data: `profiles/*.toml` says how its link, its token gateway and its push bodies look."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from duaarah.core.intent import TOKEN_RESULTS, MeterRegister
from duaarah.core.obis import Obis
from duaarah.core.order import ORDER_FIELDS, OrderKind
from duaarah.drivers.pushes import BadProfile as BadProfile
from duaarah.drivers.pushes import PushBody, parse_push
from duaarah.wire.dlms.axdr import Tag
from duaarah.wire.dlms.wrapper import ShortOrder


class UnknownProfile(Exception):
    """No profile of this name."""

    code = "unknown_profile"
    retryable = False


@dataclass(frozen=True, slots=True)
class Link:
    """Wrapper and service access points. `short_order` None: the full wrapper; `bundle`: it takes SET with list."""

    short_order: ShortOrder | None
    client_sap: int
    server_sap: int
    bundle: bool = False


@dataclass(frozen=True, slots=True)
class TokenGateway:
    """The method that takes a token (class 115), and whether the digits travel as ASCII or as BCD."""

    class_id: int
    obis: Obis
    method: int
    bcd: bool


@dataclass(frozen=True, slots=True)
class RegisterAddress:
    """Where a register is found, and the power of ten from its raw value to the unit of our name for it."""

    class_id: int
    obis: Obis
    attribute: int
    scaler: int


@dataclass(frozen=True, slots=True)
class SettingAddress:
    """Where a setting is written, as which type, and the power of ten from its raw value to the unit of our name."""

    class_id: int
    obis: Obis
    attribute: int
    tag: Tag
    scaler: int


@dataclass(frozen=True, slots=True)
class PlanAddress:
    """Where the reporting plan is written: a structure {days, faults, data, policies}, or the same as seven octets."""

    class_id: int
    obis: Obis
    attribute: int
    octets: bool


@dataclass(frozen=True, slots=True)
class OrderValue:
    """One element of what an order writes: a constant, or a field of the order scaled by a power of ten."""

    tag: Tag
    field: str | None
    constant: int | None
    scaler: int


@dataclass(frozen=True, slots=True)
class OrderAddress:
    """Where an order goes: an attribute that is written, or (`method`) a method that is called, and with which value."""

    class_id: int
    obis: Obis
    number: int
    method: bool
    values: tuple[OrderValue, ...]
    structure: bool


@dataclass(frozen=True, slots=True)
class ProfileAddress:
    """A load profile: its buffer, the clock's column first, and the names of the others with their powers of ten."""

    obis: Obis
    period_s: int
    columns: tuple[tuple[str, int] | None, ...]


@dataclass(frozen=True, slots=True)
class IpAccess:
    """How a meter is spoken to over TCP: whose association, what wakes its modem, what is read of it and read back."""

    client_sap: int
    server_sap: int
    wake: tuple[int, Obis, int] | None
    relay: RegisterAddress | None
    limit: RegisterAddress | None
    values: MappingProxyType[str, RegisterAddress]
    load_profile: ProfileAddress | None


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything the drivers know of one kind of meter."""

    name: str
    link: Link
    token: TokenGateway
    registers: MappingProxyType[MeterRegister, RegisterAddress]
    threshold: SettingAddress
    plan: PlanAddress
    orders: MappingProxyType[OrderKind, OrderAddress]
    # Class, object and method of the key transfer: the security setup that the standard names, unless [keys] says another.
    key_transfer: tuple[int, Obis, int]
    results: MappingProxyType[int, str]
    pushes: tuple[PushBody, ...]
    ip: IpAccess | None = None


_FOLDERS: list[Path] = []


def use_folder(folder: Path) -> None:
    """
    Take up the TOML files of a folder beside the shipped ones.

    Raises:
        BadProfile: no such folder, a file that cannot be meant, or one that bears the name of a shipped profile.
    """
    if not folder.is_dir():
        raise BadProfile(f"There is no folder {folder} with meter profiles.")
    _FOLDERS[:] = [folder]
    profiles.cache_clear()
    profile.cache_clear()
    shipped = _shipped()
    for path in sorted(folder.glob("*.toml")):
        if path.stem in shipped:
            raise BadProfile(f"{path.name}: a profile of this name is shipped; give yours another name.")
        profile(path.stem)


def _shipped() -> set[str]:
    folder = resources.files("duaarah.drivers") / "profiles"
    return {entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")}


@cache
def profiles() -> tuple[str, ...]:
    """The names of all profiles, sorted."""
    return tuple(sorted(_shipped().union(*({path.stem for path in folder.glob("*.toml")} for folder in _FOLDERS))))


def origin(name: str) -> str:
    """Where a profile comes from: "shipped" or "folder"."""
    return "shipped" if name in _shipped() else "folder"


@cache
def profile(name: str) -> Profile:
    """The profile of this name. Raises UnknownProfile, and BadProfile with the name of its file."""
    if name not in profiles():
        raise UnknownProfile("There is no meter profile of this name.")
    try:
        loaded = parse(_text(name))
    except (BadProfile, OSError, UnicodeDecodeError) as error:
        raise BadProfile(f"{name}.toml: {error}") from error
    if loaded.name != name:
        raise BadProfile(f"The file {name}.toml calls itself {loaded.name}.")
    return loaded


def _text(name: str) -> str:
    if name in _shipped():
        return (resources.files("duaarah.drivers") / "profiles" / f"{name}.toml").read_text(encoding="utf-8")
    return (_FOLDERS[0] / f"{name}.toml").read_text(encoding="utf-8")


def parse(text: str) -> Profile:
    """A profile from TOML text; BadProfile when a part is missing or contradicts another."""
    try:
        table = tomllib.loads(text)
        return Profile(
            table["name"],
            _link(table["link"]),
            _token(table["token"]),
            _registers(table["registers"]),
            _setting(table["settings"]["low_credit_threshold_wh"]),
            _plan(table["settings"]["reporting_plan"]),
            MappingProxyType({OrderKind(name): _order(name, order) for name, order in table.get("orders", {}).items()}),
            _key_transfer(table.get("keys", {})),
            _results(table["results"]),
            tuple(parse_push(push) for push in table["push"]),
            _ip(table["ip"]) if "ip" in table else None,
        )
    except KeyError as error:
        raise BadProfile(f"{error} is missing, or not a name that is known there.") from error
    except (ValueError, TypeError) as error:
        raise BadProfile(f"A meter profile is wrong: {error}.") from error


def _link(table: dict[str, Any]) -> Link:
    if table["framing"] not in ("short", "wrapper"):
        raise BadProfile("framing is short or wrapper.")
    order = ShortOrder(table["short_order"]) if table["framing"] == "short" else None
    return Link(order, table["client_sap"], table["server_sap"], bool(table.get("bundle", False)))


def _token(table: dict[str, Any]) -> TokenGateway:
    if table["encoding"] not in ("ascii", "bcd"):
        raise BadProfile("A token's encoding is ascii or bcd.")
    return TokenGateway(table["class_id"], Obis.parse(table["obis"]), table["method"], table["encoding"] == "bcd")


def _registers(table: dict[str, Any]) -> MappingProxyType[MeterRegister, RegisterAddress]:
    return MappingProxyType(
        {
            register: RegisterAddress(
                table[register]["class_id"],
                Obis.parse(table[register]["obis"]),
                table[register]["attribute"],
                table[register]["scaler"],
            )
            for register in MeterRegister
        }
    )


def _setting(table: dict[str, Any]) -> SettingAddress:
    return SettingAddress(
        table["class_id"], Obis.parse(table["obis"]), table["attribute"], Tag[table["type"].upper()], table["scaler"]
    )


def _address(table: dict[str, Any]) -> RegisterAddress:
    return RegisterAddress(
        table["class_id"], Obis.parse(table["obis"]), table.get("attribute", 2), table.get("scaler", 0)
    )


def _ip(table: dict[str, Any]) -> IpAccess:
    wake, profile = table.get("wake"), table.get("load_profile")
    values = {name: _address(value) for name, value in table.get("values", {}).items()}
    if any(name in set(MeterRegister) for name in values):
        raise BadProfile("A value over IP bears the name of a register that every meter has.")
    return IpAccess(
        table["client_sap"],
        table["server_sap"],
        (wake["class_id"], Obis.parse(wake["obis"]), wake["method"]) if wake else None,
        _address(table["relay"]) if "relay" in table else None,
        _address(table["limit"]) if "limit" in table else None,
        MappingProxyType(values),
        _load_profile(profile) if profile else None,
    )


def _load_profile(table: dict[str, Any]) -> ProfileAddress:
    columns = [(each["is"], each.get("scaler", 0)) if "is" in each else None for each in table["columns"]]
    return ProfileAddress(Obis.parse(table["obis"]), table["period_s"], tuple(columns))


def _order(name: str, table: dict[str, Any]) -> OrderAddress:
    values = tuple(_order_value(value) for value in table["values"])
    fields = [value.field for value in values if value.field is not None]
    if sorted(fields) != sorted(ORDER_FIELDS[OrderKind(name)]):
        raise BadProfile(f"The values of the order {name} do not carry its fields exactly once.")
    if ("method" in table) == ("attribute" in table):
        raise BadProfile(f"The order {name} writes an attribute or calls a method.")
    number = table["method"] if "method" in table else table["attribute"]
    structure = table.get("structure", len(values) > 1)
    if len(values) != 1 and not structure:
        raise BadProfile(f"The order {name} has several values: they stand in a structure.")
    return OrderAddress(table["class_id"], Obis.parse(table["obis"]), number, "method" in table, values, structure)


def _order_value(table: dict[str, Any]) -> OrderValue:
    if ("is" in table) == ("number" in table):
        raise BadProfile("A value of an order is either a number or a field.")
    tag = Tag[table["type"].upper()]
    if (tag is Tag.OCTET_STRING) != str(table.get("is", "")).endswith("_at"):
        raise BadProfile("An instant, and nothing else, is an octet-string of twelve octets.")
    return OrderValue(tag, table.get("is"), table.get("number"), table.get("scaler", 0))


def _key_transfer(table: dict[str, Any]) -> tuple[int, Obis, int]:
    return table.get("class_id", 64), Obis.parse(table.get("obis", "0.0.43.0.0.255")), table.get("method", 2)


def _plan(table: dict[str, Any]) -> PlanAddress:
    if table["encoding"] not in ("structure", "octets"):
        raise BadProfile("A reporting plan is written as a structure or as octets.")
    return PlanAddress(table["class_id"], Obis.parse(table["obis"]), table["attribute"], table["encoding"] == "octets")


def _results(table: dict[str, int]) -> MappingProxyType[int, str]:
    if set(table) != set(TOKEN_RESULTS) or len(set(table.values())) != len(table):
        raise BadProfile("Every result of a token entry has one number of its own.")
    return MappingProxyType({number: result for result, number in table.items()})
