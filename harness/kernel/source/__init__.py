# SPDX-License-Identifier: GPL-2.0-only
"""Source trees: unpacked, patched, or copied from a checkout of the user."""
