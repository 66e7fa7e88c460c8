# SPDX-License-Identifier: GPL-2.0-only
"""What a run comes to: its exit status, and its cells counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.judge.result import Result


def exit_status(results: Iterable[Result]) -> int:
    """Return 0 when all came out as expected, 1 when one did not, 2 when one is an error."""
    every = list(results)
    if not every or any(result.verdict is Verdict.ERROR for result in every):
        return 2
    return 0 if all(result.ok for result in every) else 1


def counts(results: Iterable[Result]) -> dict[str, int]:
    """Count cells, those not as expected (errors apart), errors and known holes that still are."""
    every = list(results)
    errors = sum(result.verdict is Verdict.ERROR for result in every)
    return {
        "cells": len(every),
        "expected": sum(result.ok for result in every),
        "unexpected": sum(not result.ok for result in every) - errors,
        "errors": errors,
        "known_holes": sum(result.ok and result.hole is not None for result in every),
    }
