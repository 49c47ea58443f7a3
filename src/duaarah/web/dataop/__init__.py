# SPDX-License-Identifier: Apache-2.0
"""The data operator's portal: links and messages, SIM stock, catalogue, traffic."""
