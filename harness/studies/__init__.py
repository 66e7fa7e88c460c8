# SPDX-License-Identifier: GPL-2.0-only
"""Experiments that run the matrix many times: repeat, bench, defences, bisect."""
