# SPDX-License-Identifier: GPL-2.0-only
"""The exit status of a run, and its cells counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.results.result_line import ResultLine


def exit_status(lines: Iterable[ResultLine]) -> int:
    """Return 0 if all cells came out as expected, 1 if not, 2 on an error or without a cell."""
    every = list(lines)
    if not every or any(line.verdict is Verdict.ERROR for line in every):
        return 2
    return 0 if all(line.ok for line in every) else 1


def counts(lines: Iterable[ResultLine]) -> dict[str, int]:
    """Count the cells: as expected, unexpected (without errors), errors, and known holes.

    A known hole counts where the variant still loses as the hole says.
    """
    every = list(lines)
    errors = sum(line.verdict is Verdict.ERROR for line in every)
    return {
        "cells": len(every),
        "expected": sum(line.ok for line in every),
        "unexpected": sum(not line.ok for line in every) - errors,
        "errors": errors,
        "known_holes": sum(line.ok and line.known_hole is not None for line in every),
    }
