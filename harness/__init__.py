# SPDX-License-Identifier: GPL-2.0-only
"""Measures whether root can tamper with a process the kernel started for itself."""
