# SPDX-License-Identifier: Apache-2.0
"""Commands to meters, their attempts, what meters report, and the invocation counters of both directions."""
