# SPDX-License-Identifier: Apache-2.0
"""SMPP 3.4 without sockets: PDU codec, session, receipts."""
