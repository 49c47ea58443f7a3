# SPDX-License-Identifier: Apache-2.0
"""DLMS/COSEM without sockets (IEC 62056-5-3): values, APDUs, ciphering, associations and links.

Values and services: `axdr` values, `datetime` the 12-octet clock, `apdu` normal services, `blocks` lists and blocks,
`general_blocks` general block transfer, `acse` and `initiate` what opens an association.
Security: `ciphering` general-glo suite 0, `sealing` every ciphered form by data, `hls` passes 3 and 4.
Associations: `terms` and `association` the client's, `access` and `serving` the server's.
Links: `wrapper` TCP and SMS, `hdlc` one frame, `hdlc_link` and `links` the two as connections. `errors` is the one tree.
The replay window is `duaarah.core.replay`. What is left out, and why: `docs/protocols/dlms.md`.
"""
