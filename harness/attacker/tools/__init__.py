# SPDX-License-Identifier: GPL-2.0-only
"""Kernel interfaces that several attacks use: one file for each interface."""
