# SPDX-License-Identifier: Apache-2.0
"""Logins, organisations of the three parties, units, roles, account holders, customers (idpel), second-person approvals."""
