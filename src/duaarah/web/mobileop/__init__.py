# SPDX-License-Identifier: Apache-2.0
"""The mobile operator's portal: its own links, its SMS traffic, its SIM cards. Nothing of another operator's."""
