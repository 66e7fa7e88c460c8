# SPDX-License-Identifier: GPL-2.0-only
"""Kernel lines: source, series, configuration, build and the images they give."""
