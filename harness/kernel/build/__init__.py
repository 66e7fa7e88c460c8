# SPDX-License-Identifier: GPL-2.0-only
"""From a source tree to a kernel image."""
