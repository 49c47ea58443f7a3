# SPDX-License-Identifier: Apache-2.0
"""DLMS/COSEM without sockets (IEC 62056-5-3): values, APDUs, ciphering, associations and what carries them.

Values: `data`, `axdr` (`rows` makes it fast), `datetime`, `units`, `profile_buffer`. Services: `apdu` the normal ones,
`notification`, `blocks` lists and blocks, `gbt` and `general_blocks` general block transfer, `acse` and `initiate` what
opens an association. Security: `ciphering` to act on, `protection` to read, `sealing` every ciphered form by data, `hls`
passes 3 and 4. Associations: `terms` and `association` the client's, `access` and `serving` the server's. Carriers:
`wrapper` TCP and SMS, `hdlc` one frame, `mbus`, `link` which of them; `hdlc_link` and `links` two of them as connections.
The whole way in: `receive`, with `lenient` for known mistakes. `errors` is the one tree. The replay window is
`duaarah.core.replay`. What is left out, and why: `docs/protocols/dlms.md`.
"""
