# SPDX-License-Identifier: GPL-2.0-only
"""Reports of a run, for people and for CI systems."""
