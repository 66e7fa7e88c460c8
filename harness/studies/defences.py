# SPDX-License-Identifier: GPL-2.0-only
"""The value of each defence: the attacks that win on `isolated` if only this one is left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from harness.host.pace import Pace
from harness.judge.parity import SUBJECT
from harness.model.cell import Cell
from harness.model.verdict import A_STEP, Effect, Verdict
from harness.run.pool import Pool
from harness.scenarios import REFERENCES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.model.cell import Outcome
    from harness.run.cell_runner import CellRunner
    from harness.scenarios.corpus import Corpus
    from harness.scenarios.registry import Scenario

DEFENCES = {
    "access": "access to its memory, files and registers",
    "signals": "signals from others than its manager, also through a third process",
    "sched": "changes of its scheduling and limits",
    "cgroups": "a move to another cgroup, and a wait for moves of others",
    "freezer": "the freezer",
    "oom": "the OOM killer",
    "futex": "priority inheritance as the alleged owner of a lock",
    "bpf": "BPF programs that run in its context or override a hook",
    "probes": "probes that read or write its memory",
    "perf": "performance events and breakpoints",
    "audit": "a wait for audit to record its system calls, or for acct(2) to record its exit",
    "faults": "injected faults",
    "pages": "migration, monitoring and alleged hardware errors of its pages",
    "pipes": "permission checks and notifications on its own pipes",
    "exec": "settings that change or stop the execution of its blob",
    "image": "changes of its blob, on a swap device or through its mount, and a load that waits "
    "for the files of others",
    "locked": "swapping of its memory",
    "inherited": "state that it would inherit from its parent",
    "caps": "removal and abuse of its capabilities",
    "framing": "replies that belong to no request",
    "seccomp": "its own system calls, after an attacker has taken it over",
}
"""The values of `umd_without=`, in the kernel's order, and what each defends the handler from."""

PARTS = {"ptrace": "access"}
"""The parts of defences that the kernel takes by name as well, and their defences."""


@dataclass
class Bought:
    """The attacks that win without a defence, by scenario, and what they win.

    `broken` has the cells without a conclusion, and their reasons.
    """

    defence: str
    lost: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


def held_cells(corpus: Corpus, line: str) -> list[Cell]:
    """Return the cells of the attacks with an effect that must be held on `isolated`."""
    subject = corpus.variants[SUBJECT]
    return [
        Cell(line, SUBJECT, scenario.name)
        for scenario in corpus.scenarios.values()
        if scenario.effect is not Effect.NONE
        and scenario.expected(subject) is Verdict.HELD
        and not scenario.gains(subject)
    ]


def what_each_buys(
    lab_without: Callable[[str], CellRunner],
    corpus: Corpus,
    cells: Sequence[Cell],
    *,
    defences: Sequence[str] = tuple(DEFENCES),
    jobs: int,
    progress: Callable[[str], None],
) -> list[Bought]:
    """Run the cells and the reference cells without each of the defences. Raises UserError."""
    every = [*(Cell(cells[0].line, SUBJECT, name) for name in REFERENCES), *cells]
    found = []
    pace, ended = Pace(len(defences) * len(every)), count(1)
    for defence in defences:
        bought = Bought(defence)
        found.append(bought)
        pool = Pool(every, corpus=corpus, lab=lab_without(defence), jobs=jobs, rounds=1)
        for event in pool.ended():
            _note(bought, corpus.scenario(event.cell), event.outcome)
            progress(f"defences: {pace.at(next(ended))}, without {defence}")
    return found


def _note(bought: Bought, scenario: Scenario, outcome: Outcome) -> None:
    if scenario.is_reference:
        due = scenario.wins
        if outcome.verdict is not due:
            bought.broken[scenario.name] = f"{outcome.verdict}, not {due}: {outcome.detail}"
    elif outcome.verdict is Verdict.ERROR:
        bought.broken[scenario.name] = outcome.detail
    elif outcome.verdict is not Verdict.NOT_APPLICABLE and (
        outcome.gained or outcome.verdict is not Verdict.HELD
    ):
        step = outcome.verdict is Verdict.HELD
        bought.lost[scenario.name] = A_STEP if step else str(outcome.verdict)


def markdown(bought: Sequence[Bought], cells: Sequence[Cell]) -> str:
    """Return a table of the defences, and the attacks that no single defence holds."""
    alone = {name for one in bought for name in one.lost}
    shared = [cell.scenario for cell in cells if cell.scenario not in alone]
    rows = [
        f"| `{one.defence}` | {DEFENCES[one.defence]} | "
        + (", ".join(f"`{name}` ({lost})" for name, lost in one.lost.items()) or "none")
        + " |"
        for one in bought
    ]
    return "\n".join(
        [
            "| defence | defends the handler from | attacks it alone holds (verdict without it) |",
            "| --- | --- | --- |",
            *rows,
            "",
            f"No single defence holds these {len(shared)}: "
            + ", ".join(map("`{}`".format, shared)),
        ]
    )
