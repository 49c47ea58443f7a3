# SPDX-License-Identifier: Apache-2.0
"""The COSEM objects of a simulated meter (IEC 62056-6-2), one small module a family; `device` puts them together."""
