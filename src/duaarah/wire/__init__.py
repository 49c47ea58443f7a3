# SPDX-License-Identifier: Apache-2.0
"""Pure protocols: state tables, frozen records and octets; sockets live in net."""
