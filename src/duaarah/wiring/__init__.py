# SPDX-License-Identifier: Apache-2.0
"""The one place where ports meet implementations."""
