# SPDX-License-Identifier: GPL-2.0-only
"""The userspace of the guests: initramfs, payloads, policies, and the Debian disk image."""
