# SPDX-License-Identifier: GPL-2.0-only
"""A root shell in a machine of a variant."""
