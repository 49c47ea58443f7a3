# SPDX-License-Identifier: Apache-2.0
"""
Validation, estimation and editing of interval readings (VEE): pure numbers over numpy matrices, one row a meter and one
column an interval. `block` lays readings out, `checks` finds what cannot be, `gaps` says what can be said instead.
"""
