# SPDX-License-Identifier: Apache-2.0
"""DLMS/COSEM without sockets (IEC 62056-5-3): values, APDUs, ciphering and what carries them.

Values: `data`, `axdr` (`rows` makes it fast), `datetime`, `units`, `profile_buffer`. Services: `apdu`, `notification`, `gbt`.
Security: `ciphering` to act on, `protection` to read. Carriers: `wrapper` TCP and SMS, `hdlc`, `mbus`, `link` which of them.
The whole way in: `receive`, with `lenient` for known mistakes. `errors` is the one tree. The replay window is
`duaarah.core.replay`. What is left out, and why: `docs/protocols/dlms.md`.
"""
