# SPDX-License-Identifier: Apache-2.0
"""Decoder key generation: DKGA02 (DES) and DKGA04 (HMAC-SHA-256), IEC 62055-41, 6.5.3."""

from __future__ import annotations

import hmac

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes

from duaarah.core.sts.configuration import KeyConfiguration
from duaarah.core.sts.errors import BadRequest, KeyLength

VENDING_KEY_OCTETS = {"02": 8, "04": 20}
DECODER_KEY_OCTETS = {"07": 8, "11": 16}
KT_COMMON = 3
CHECK_VALUE_MESSAGE = bytes(8)


def check_vending_key(vending_key: bytes, dkga: str) -> None:
    """Raises KeyLength unless the key has the octets of its DKGA: 8 for 02, 20 for 04."""
    if len(vending_key) != VENDING_KEY_OCTETS[dkga]:
        raise KeyLength(f"A vending key for DKGA{dkga} has {VENDING_KEY_OCTETS[dkga]} octets.")


def derive(vending_key: bytes, configuration: KeyConfiguration, pan: str) -> bytes:
    """
    A meter's decoder key: 8 octets for EA07, 16 for EA11.

    Raises:
        KeyLength: the vending key does not fit the DKGA.
        BadRequest: EA11 with DKGA02, which has no 128-bit keys.
    """
    check_vending_key(vending_key, configuration.dkga)
    if configuration.dkga == "04":
        return _dkga04(vending_key, configuration, pan)
    if configuration.ea != "07":
        raise BadRequest("DKGA02 makes keys for EA07 only.")
    return _dkga02(vending_key, configuration, pan)


def des_encryptor(vending_key: bytes) -> CipherContext:
    """DES over any number of 8-octet blocks under a key of 8 octets."""
    # DES is TripleDES with one key three times; the wrapper that `cryptography` still offers.
    return Cipher(TripleDES(vending_key * 3), modes.ECB()).encryptor()


def dkga02_control(configuration: KeyConfiguration) -> int:
    """The control block of DKGA02: what the account block of a meter is XORed with."""
    c = configuration
    return int(f"{c.kt}{c.sgc}{c.ti}{c.krn}FFFFFF", 16)


def _dkga02(vending_key: bytes, configuration: KeyConfiguration, pan: str) -> bytes:
    account = pan[1:17] if configuration.kt != KT_COMMON else (pan[:6] + "0" * 11)[1:17]
    block = int(account, 16) ^ dkga02_control(configuration)
    # Parity bits do not matter to the cipher, but they are XORed in below: the key's octets stay as they are.
    encryptor = des_encryptor(vending_key)
    encrypted = int.from_bytes(encryptor.update(block.to_bytes(8, "big")) + encryptor.finalize(), "big")
    return (encrypted ^ block ^ int.from_bytes(vending_key, "big")).to_bytes(8, "big")


def dkga04_around(configuration: KeyConfiguration) -> tuple[bytes, bytes]:
    """What stands before and behind the 18 digits of the PAN in the message of DKGA04."""
    c = configuration
    texts = ((2, "04"), (2, str(c.base_date)[2:]), (2, c.ea), (2, c.ti))
    head = b"\x04" + b"".join(bytes([size]) + text.encode("ascii") for size, text in texts) + b"\x00\x04"
    further = ((6, c.sgc), (1, f"{c.kt:X}"), (1, f"{c.krn:X}"))
    head += b"".join(bytes([size]) + text.encode("ascii") for size, text in further)
    return head + b"\x12", (8 * DECODER_KEY_OCTETS[c.ea]).to_bytes(4, "big")


def dkga04_message(configuration: KeyConfiguration, pan: str) -> bytes:
    """What DKGA04 puts through HMAC-SHA-256; a security module that keeps the vending key is given this."""
    head, tail = dkga04_around(configuration)
    account = pan if configuration.kt != KT_COMMON else pan[:6] + "0" * 12
    return head + account.encode("ascii") + tail


def _dkga04(vending_key: bytes, configuration: KeyConfiguration, pan: str) -> bytes:
    message = dkga04_message(configuration, pan)
    return hmac.digest(vending_key, message, "sha256")[: DECODER_KEY_OCTETS[configuration.ea]]


def check_value(key: bytes) -> str:
    """
    A key's or component's check value: six hex digits that tell two keys apart and say next to nothing of one.

    20 octets (DKGA04): the first 3 octets of HMAC-SHA-256 over 8 zero octets, the one thing that a security module can
    do with such a key; no DKGA04 message is that short. 8 octets (DKGA02): the first 3 of DES over 8 zero octets, as is
    the custom for DES keys. Raises KeyLength.
    """
    if len(key) == VENDING_KEY_OCTETS["04"]:
        return hmac.digest(key, CHECK_VALUE_MESSAGE, "sha256")[:3].hex().upper()
    check_vending_key(key, "02")
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
    return (encryptor.update(CHECK_VALUE_MESSAGE) + encryptor.finalize())[:3].hex().upper()
