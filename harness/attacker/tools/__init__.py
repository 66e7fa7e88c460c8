# SPDX-License-Identifier: GPL-2.0-only
"""What attacks share: one file for each kernel interface."""
