# SPDX-License-Identifier: GPL-2.0-only
"""One attack on one machine: images, machines, the attack, and its evidence."""
