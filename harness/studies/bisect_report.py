# SPDX-License-Identifier: GPL-2.0-only
"""The search for a commit as text: the results of each step, and the commit that was found."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from harness.report.comparison_report import told

if TYPE_CHECKING:
    from harness.studies.bisect import Steps, TriedStep, VerdictChange


def story(step: TriedStep, steps: Steps) -> str:
    """Return a step's heading and a line for each of its cells."""
    last = f"up to “{steps.subject(step.number)}”" if step.number else "without any commit"
    lines = [f"step {step.number} of {steps.last}, {last}:"]
    if step.why:
        lines.append(f"  skipped: {step.why}")
    lines += [f"  {cell.id}: {told(found)}" for cell, found in step.found.items()]
    return "\n".join(lines)


def found_commit(change: VerdictChange, steps: Steps) -> str:
    """Return the commit that was found, its message, and the results that it changes.

    If steps were skipped, return all commits that may have made the change, as `git bisect` does.
    """
    before, after = change.before, change.after
    changes = [
        f"{cell.id}: {told(before.found[cell])} -> {told(after.found[cell])}"
        for cell in after.changed(before)
    ]
    numbers = range(before.number + 1, after.number + 1)
    if change.skipped:
        suspects = [f"  {number} “{steps.subject(number)}”" for number in numbers]
        heading = "One of these commits makes the change; the steps between have no results:"
        return "\n".join([heading, *suspects, *changes])
    message = textwrap.indent(steps.message(after.number), "    ")
    heading = (
        f"Commit {after.number} of {steps.last} makes the change: {steps.subject(after.number)}"
    )
    return "\n".join([heading, "", message, *changes])
