# SPDX-License-Identifier: Apache-2.0
"""What every portal shares: frame, figures, style, access."""
