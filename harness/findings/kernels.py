# SPDX-License-Identifier: GPL-2.0-only
"""The proposals on further kernel lines: what they hold there, and what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.findings.document import Names, Section, Table, Text, code
from harness.findings.tables import PROPOSALS, outcomes
from harness.results.held_counts import HeldCount

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.findings.document import Block
    from harness.findings.evidence import Evidence
    from harness.results.recorded_run import RecordedRun
    from harness.results.result_line import ResultLine

TITLE = "Are the proposals the same on other kernels?"


def kernels_section(evidence: Evidence) -> Section:
    """Return the section: a row for each proposal, a column for each line, and the differences."""
    first = next(filter(None, map(evidence.run_of, PROPOSALS)), None)
    if first is None:
        return Section(TITLE, [Text("No run has a proposal.")])
    others = [run for run in evidence.runs if _differs(run, first)]
    if not others:
        return Section(TITLE, [Text(f"Only line {first.header.line} was measured in this run.")])
    return Section(TITLE, list(_compared(evidence, first, others)))


def _differs(run: RecordedRun, first: RecordedRun) -> bool:
    return run.header.line != first.header.line and not set(PROPOSALS).isdisjoint(
        cell.variant for cell in run.cells
    )


def _compared(
    evidence: Evidence, first: RecordedRun, others: Sequence[RecordedRun]
) -> Iterator[Block]:
    runs = [first, *others]
    of = {(name, run.name): evidence.attacks(run, name) for name in PROPOSALS for run in runs}
    yield Text("Attacks held, of those with a verdict:")
    yield Table(
        [
            ["variant", *(run.header.line for run in runs)],
            *(
                [code(name), *(str(HeldCount.of(of[name, run.name].values())) for run in runs)]
                for name in PROPOSALS
            ),
        ]
    )
    for run in others:
        for name in PROPOSALS:
            yield from _changes(name, of[name, first.name], of[name, run.name], run, first)
    yield Text(
        "An attack without a verdict on one of the lines is not compared. Counted from run "
        f"{' and '.join(code(run.name) for run in runs)}."
    )


def _changes(
    name: str,
    before: Mapping[str, ResultLine],
    after: Mapping[str, ResultLine],
    run: RecordedRun,
    first: RecordedRun,
) -> Iterator[Block]:
    changed: dict[str, list[str]] = {}
    for attack, (old, new) in outcomes(before, after).items():
        if old != new:
            changed.setdefault(f"{new}, and {old} on {first.header.line}", []).append(attack)
    where = f"{code(name)} on {run.header.line}"
    for what, attacks in sorted(changed.items()):
        yield Names(f"{where}: {what} ({len(attacks)})", attacks)
    if not changed:
        yield Text(f"{where}: the same outcomes as on {first.header.line}.")
