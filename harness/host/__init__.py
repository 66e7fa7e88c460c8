# SPDX-License-Identifier: GPL-2.0-only
"""The machine that runs the harness: commands, paths, errors, Debian packages."""
