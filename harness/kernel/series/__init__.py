# SPDX-License-Identifier: GPL-2.0-only
"""The kernel lines and their patch series, as declared under kernel-patches/."""
