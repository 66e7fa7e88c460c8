# SPDX-License-Identifier: GPL-2.0-only
"""Everything that is built is kept here: found again, checked, pruned, removed."""
