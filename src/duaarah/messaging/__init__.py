# SPDX-License-Identifier: Apache-2.0
"""Messages to people: texts in id and en, queued in the transaction that makes them true."""
