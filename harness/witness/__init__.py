# SPDX-License-Identifier: GPL-2.0-only
"""The witness: its tally in guest memory, and the verdict that the host draws from the tally."""
