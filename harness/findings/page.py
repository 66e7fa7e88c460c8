# SPDX-License-Identifier: GPL-2.0-only
"""The findings as one document: the answer, the questions, the price, and what was not tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.findings.document import Document, Names, Section, Text, code
from harness.findings.evidence import AXES, NOT_MEASURED
from harness.findings.kernels import kernels_section
from harness.findings.parser_bug import bug_section
from harness.findings.parsers import parsers_section
from harness.findings.price_table import enough_section, price_section, summed
from harness.findings.questions import against_thread, proposal, sections
from harness.findings.tables import missing, won_by_variant
from harness.judge.parity import SUBJECT
from harness.report.text import short_hash
from harness.scenarios import STAKES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.findings.document import Block
    from harness.findings.evidence import Evidence
    from harness.findings.price import Price
    from harness.results.bench_figures import BugFigures

TITLE = "Findings"


def findings(
    evidence: Evidence,
    prices: dict[str, Price],
    *,
    bug: BugFigures | None = None,
    picture: str = "",
) -> Document:
    """Return the document. Each number in it is counted from the evidence or from the series.

    `bug` has what a bug in a parser allows, if that was measured. `picture` is the file with the
    picture of the prices, if there is one.
    """
    return Document(
        TITLE,
        [
            Text(
                "Is a user mode driver isolated from root by strict seccomp, by denying ptrace, by "
                "limiting the kill and by locking memory? This was proposed in July 2023. The "
                "answers are counted from kept runs."
            ),
            *sources(evidence),
        ],
        [
            Section("The answer", list(_answer(evidence))),
            *sections(evidence),
            parsers_section(evidence),
            *([bug_section(bug)] if bug else []),
            kernels_section(evidence),
            enough_section(evidence),
            price_section(evidence, prices, picture),
            Section("What was not tried", list(not_tried(evidence))),
        ],
    )


def attacks_behind(evidence: Evidence) -> Document:
    """Return the attacks behind the numbers: those that won, by variant and by what they took."""
    return Document(
        "Attacks that won",
        [
            Text(
                "The attacks behind the numbers of the findings. The page of each attack has its "
                "verdicts."
            )
        ],
        [
            Section(
                code(variant),
                [
                    Names(f"{axis.capitalize()} ({len(names)})", names)
                    for axis in AXES
                    if (names := evidence.won(variant, axis))
                ],
            )
            for variant in evidence.variants
        ],
    )


def sources(evidence: Evidence) -> Iterator[Block]:
    """Yield a sentence for each run that gives numbers, with its variants."""
    for run in evidence.runs:
        names = [name for name in evidence.variants if evidence.run_of(name) is run]
        if names:
            header = run.header
            trouble = f" It was cut short: {run.trouble}." if run.trouble else ""
            built = f" Its kernel is built from {header.kernel}." if header.kernel else ""
            yield Text(
                f"Run {code(run.name)}: line {header.line}, "
                f"kernel image {short_hash(header.image)}, harness {header.commit}, "
                f"engine {header.engine}. It gives the numbers of "
                f"{', '.join(map(code, names))}.{built}{trouble} "
                f"`umd-harness show {run.name} CELL` tells the story of a cell, if the folder "
                "of the run is kept."
            )


def _answer(evidence: Evidence) -> Iterator[Block]:
    yield from proposal(evidence)
    if evidence.has(SUBJECT):
        yield from against_thread(evidence, SUBJECT)
    for goal, found in evidence.defences.enough.items():
        sets = " or ".join(map(summed, found.sets))
        doubt = "" if found.confirmed else " That is not confirmed yet."
        yield Text(f"Enough for the goal {code(goal)}: {sets}.{doubt}")
    yield Text(
        "Attacks that won, by what they took, of the attacks with a verdict. An attack may take "
        "several:"
    )
    yield from won_by_variant(evidence)


def not_tried(evidence: Evidence) -> Iterator[Block]:
    """Say what the answers do not cover."""
    if absent := missing(evidence):
        yield Text(f"Variants {NOT_MEASURED}: {', '.join(map(code, absent))}.")
    counted = [run for run in map(evidence.run_of, evidence.variants) if run]
    lines = sorted({run.header.line for run in counted})
    engines = sorted({run.header.engine for run in counted})
    yield Text(
        f"The numbers are of kernel line {', '.join(lines)} and of engine {', '.join(engines)}. "
        "The comparison of kernels names its own lines. No number here says anything about another "
        "kernel, another configuration or another architecture than x86-64."
    )
    if evidence.has(SUBJECT):
        absent_cells = [
            name
            for name in evidence.corpus.scenarios
            if name not in evidence.lines(SUBJECT)
            and not evidence.corpus.scenarios[name].is_reference
        ]
        if absent_cells:
            yield Names(f"Attacks that were not made on {code(SUBJECT)}", absent_cells)
        lacking = [n for n, line in evidence.lines(SUBJECT).items() if line.verdict == "n/a"]
        yield Names(
            f"Attacks that have no verdict on {code(SUBJECT)}, for example because the "
            "kernel or the engine lacks what they need",
            lacking,
        )
    parsing = evidence.parsers or evidence.corpus.handler in STAKES
    parsers = "" if parsing else ", and attacks on a parser: the handler here computes hashes"
    yield Text(
        "Not tried at all: side channels of the processor (caches, speculation), faults of the "
        "hardware, real devices, attacks on the host or on QEMU, attacks by several processors at "
        f"a time except where an attack declares it{parsers}. A defence was left out or put in as "
        "a whole, never in part. The corpus has the attacks that its authors found."
    )
