# SPDX-License-Identifier: GPL-2.0-only
"""A root shell, or one command, in a machine of a variant."""
