# SPDX-License-Identifier: GPL-2.0-only
"""The handlers' programs."""

from handler_programs import confine, programs, tree

__all__ = ["confine", "programs", "tree"]
