# SPDX-License-Identifier: GPL-2.0-only
"""The kernel that a user brings: a tree, patches, a configuration, or an image."""
