# SPDX-License-Identifier: GPL-2.0-only
"""The words that all layers share: cell, variant, verdict."""
