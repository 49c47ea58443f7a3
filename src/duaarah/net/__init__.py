# SPDX-License-Identifier: Apache-2.0
"""Sockets only: pump octets between a transport and a wire session."""
