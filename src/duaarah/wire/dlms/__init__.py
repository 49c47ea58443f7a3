# SPDX-License-Identifier: Apache-2.0
"""DLMS/COSEM without sockets (IEC 62056-5-3): values, APDUs, ciphering and wrappers.

Modules: `axdr` values, `datetime` the 12-octet clock, `apdu` services, `ciphering` general-glo suite 0, `wrapper` TCP
and SMS, `hdlc` one frame, `errors` the one tree. The replay window is `duaarah.core.replay`.
What is left out, and why: `docs/protocols/dlms.md`.
"""
