# SPDX-License-Identifier: GPL-2.0-only
"""One pass over chosen cells: which cells, in which order, on how many workers."""
