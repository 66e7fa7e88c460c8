# SPDX-License-Identifier: GPL-2.0-only
"""From the outcomes of cells to results: controls, references, expectations, parity."""
