# SPDX-License-Identifier: Apache-2.0
"""What the utility learns every day: indices, TMP, losses, voltage, load profiles. Daily facts are rows, versioned."""
