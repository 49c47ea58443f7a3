# SPDX-License-Identifier: Apache-2.0
"""What a meter's report means to people and wallets."""
