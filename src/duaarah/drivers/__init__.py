# SPDX-License-Identifier: Apache-2.0
"""Intent <-> frames, per kind of meter. Pure: a kind is a TOML file under `profiles`, read by importlib.resources."""

from duaarah.drivers.bundle import bundled_frame
from duaarah.drivers.commands import NotOverSms, encode_command, encode_read, key_transfer, register_value
from duaarah.drivers.explain import Explained, explain
from duaarah.drivers.frames import Protected, frame, open_frame, unframe
from duaarah.drivers.ip import profile_rows, range_selection, wake_up
from duaarah.drivers.kinds import (
    BadProfile,
    Profile,
    RegisterAddress,
    UnknownProfile,
    origin,
    parse,
    profile,
    profiles,
    use_folder,
)
from duaarah.drivers.orders import OrderUnsupported, encode_order
from duaarah.drivers.reports import decode_report
from duaarah.drivers.samples import try_samples
from duaarah.wire.dlms.ciphering import Keys

__all__ = [
    "BadProfile",
    "Explained",
    "Keys",
    "NotOverSms",
    "OrderUnsupported",
    "Profile",
    "Protected",
    "RegisterAddress",
    "UnknownProfile",
    "bundled_frame",
    "decode_report",
    "encode_command",
    "encode_order",
    "encode_read",
    "explain",
    "frame",
    "key_transfer",
    "open_frame",
    "origin",
    "parse",
    "profile",
    "profile_rows",
    "profiles",
    "range_selection",
    "register_value",
    "try_samples",
    "unframe",
    "use_folder",
    "wake_up",
]
