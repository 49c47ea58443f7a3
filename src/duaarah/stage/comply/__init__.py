# SPDX-License-Identifier: Apache-2.0
"""The compliance bench: a script of cases (`script.toml`) played against any meter, scored, with reasons in words."""
