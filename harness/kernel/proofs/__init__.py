# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the series itself: checkpatch, and a build of every commit."""
