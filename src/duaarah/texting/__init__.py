# SPDX-License-Identifier: Apache-2.0
"""The customer's SMS conversation: a grammar in, one domain call, one SMS out."""
