# SPDX-License-Identifier: GPL-2.0-only
"""Virtual machines: QEMU and its sockets, guest memory from outside, saved states."""
