# SPDX-License-Identifier: GPL-2.0-only
"""Everything that is built: stored under its key, found again, checked, pruned, removed."""
