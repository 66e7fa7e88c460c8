# SPDX-License-Identifier: GPL-2.0-only
"""Runs on disk: written, read again, counted and compared."""
