# SPDX-License-Identifier: GPL-2.0-only
"""Handlers that parse: built from the kernel's tree, and checked for their system calls."""
