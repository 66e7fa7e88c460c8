# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own selftests on two variants: isolation must not change their results."""
