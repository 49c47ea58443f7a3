# SPDX-License-Identifier: Apache-2.0
"""The command line: one short module a command, each one call."""
