# SPDX-License-Identifier: Apache-2.0
"""The demo's own page: the living town in the browser."""
