# SPDX-License-Identifier: Apache-2.0
"""DLMS/COSEM without sockets (IEC 62056-5-3): values, APDUs, ciphering, wrappers and the replay window.

Modules: `axdr` values, `datetime` the 12-octet clock, `apdu` services, `ciphering` general-glo suite 0, `wrapper` TCP
and SMS, `hdlc` one frame, `replay` counters, `errors` the one tree. `docs/protocols/dlms.md` says what is left out.
"""
