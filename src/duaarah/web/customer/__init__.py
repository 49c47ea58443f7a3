# SPDX-License-Identifier: Apache-2.0
"""The household's pages."""
