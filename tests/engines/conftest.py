# SPDX-License-Identifier: GPL-2.0-only
"""The real kernel line, and a fresh machine of it for every test."""

from machine_fixtures import attacker, images, lab, machine, variant, witness

__all__ = ["attacker", "images", "lab", "machine", "variant", "witness"]
