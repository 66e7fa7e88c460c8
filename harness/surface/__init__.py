# SPDX-License-Identifier: GPL-2.0-only
"""The attack surface, counted from a kernel tree and its build, and compared with the scenarios."""
