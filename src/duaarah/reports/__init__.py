# SPDX-License-Identifier: Apache-2.0
"""Scheduled reports by e-mail: who wants which, what is due, what became of each."""
