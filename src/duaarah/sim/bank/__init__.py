# SPDX-License-Identifier: Apache-2.0
"""The simulated bank: an ATM that sells real tokens and tells the platform by signed notification."""
