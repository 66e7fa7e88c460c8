# SPDX-License-Identifier: GPL-2.0-only
"""A run: the selection of cells, their order, the workers, and the facts that are kept."""
