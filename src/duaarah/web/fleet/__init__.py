# SPDX-License-Identifier: Apache-2.0
"""The pages of owners of many sites."""
