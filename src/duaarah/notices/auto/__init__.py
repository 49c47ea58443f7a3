# SPDX-License-Identifier: Apache-2.0
"""Automatic top-up: rules are set, looked at, and bought for; each step a row before it is a deed."""
