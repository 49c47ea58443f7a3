# SPDX-License-Identifier: Apache-2.0
"""The simulated town: its seeded world, its own clock, its customers' phones and the modems behind one ESME."""
