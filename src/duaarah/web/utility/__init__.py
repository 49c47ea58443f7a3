# SPDX-License-Identifier: Apache-2.0
"""The pages of those who run the service."""
