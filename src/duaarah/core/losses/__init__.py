# SPDX-License-Identifier: Apache-2.0
"""
Losses of a node of the supply tree: balance, technical part, non-technical part with an interval, and indications.

Order of work for one transformer: `panel` (readings on one grid of time), `registers` and `clocks` (what is wrong with the
readings), `mapping` (is each meter where the registry says), `balance`, `technical` and `estimate` (how much is lost, and
how surely), `suspects` and `rules` (where to look first). Nothing here proves a theft: it says where an inspection pays.
"""
