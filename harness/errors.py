# SPDX-License-Identifier: GPL-2.0-only
"""The errors a person or a cell can meet, apart from programming mistakes."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend: `message` says what happened, `hint` what to do.

    The command line prints both on one line, without a traceback, and exits with 2.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}"


class VmLost(Exception):
    """The guest or its QEMU is gone, silent or beyond its deadline: no verdict can be drawn."""
