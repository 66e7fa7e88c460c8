# SPDX-License-Identifier: GPL-2.0-only
"""Lines of results.jsonl for tests that count and compare, without a run."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import msgspec
from outcomes import ISOLATED

from harness.model.verdict import A_STEP, Axes, Effect, Verdict
from harness.results.result_line import SCHEMA, Control, ResultLine

if TYPE_CHECKING:
    from collections.abc import Collection

    from harness.model.cell import Cell

AXES = tuple(field.name for field in fields(Axes))


def result_line(
    verdict: Verdict,
    lost: Collection[str] = (),
    *,
    cell: Cell = ISOLATED,
    is_control: bool = False,
    **more: Any,
) -> ResultLine:
    """A line with these axes lost; `A_STEP` among them stands for an address that was gained."""
    concluded = verdict not in (Verdict.ERROR, Verdict.NOT_APPLICABLE)
    line = ResultLine(
        schema=SCHEMA,
        line=cell.line,
        variant=cell.variant,
        scenario=cell.scenario,
        effect=Effect.INTEGRITY,
        surface="proc-mem-write",
        answers=("T1",),
        control=Control(
            variant=cell.variant if is_control else "baseline", verdict=Verdict.TAMPERED
        ),
        verdict=verdict,
        axes=Axes(**{name: name in lost for name in AXES}) if concluded else None,
        detail="",
        expected=Verdict.HELD,
        ok=True,
        known_hole=None,
        hooks=(),
        refusable=(),
        gained=("an address",) if A_STEP in lost else (),
        tries=(0, 0),
        rounds=1,
        seconds=0.25,
        image="0123abcd",
        witness=f"cells/{cell.id}/witness.json",
        attempt=f"cells/{cell.id}/attempt.json",
        attempt_end="completed",
        half="",
    )
    return msgspec.structs.replace(line, **more)
