# SPDX-License-Identifier: GPL-2.0-only
"""The story of a kept cell: the attack, the verdict and why, the evidence, and how to go on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from harness.model.verdict import Verdict
from harness.report.attack_calls import call_lines
from harness.report.attack_source import AttackSource, attack_source
from harness.report.cell_again import run_again, shell_there
from harness.report.comparison_report import told
from harness.report.text import short_hash, visible
from harness.report.witness_story import witness_lines
from harness.scenarios import REFERENCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.results.kept_cell import KeptCell
    from harness.results.result_line import ResultLine
    from harness.scenarios.corpus import Corpus

SCHEMA = 1
"""The version of the JSON object: raise it when a field or its meaning changes."""

_ABOUT = 8  # lines of the docstring
_CONSOLE = 15  # lines of the console of an error


@dataclass(frozen=True)
class CellStory:
    """A kept cell, and what is known of its attack now."""

    kept: KeptCell
    source: AttackSource
    expectation: str
    run: str
    """The command that runs the cell again."""
    shell: str
    """The command that opens a shell in its machine."""


def cell_story(kept: KeptCell, corpus: Corpus, source: AttackSource | None = None) -> CellStory:
    """Find out what the corpus and the run's files say about a kept cell.

    `source` is that of the attack, if it is known already.
    """
    source = source or attack_source(kept.cell.scenario, corpus, kept.run.header.scenario_files)
    return CellStory(
        kept,
        source,
        _expectation(kept.line, corpus),
        run_again(kept, corpus, source),
        shell_there(kept, corpus, source),
    )


def text(story: CellStory) -> str:
    """Return the story as lines, a paragraph for each part."""
    kept = story.kept
    outcome = kept.outcome
    others = [*([kept.control] if kept.control else []), *kept.references]
    parts: dict[str, Iterable[str]] = {
        f"{kept.cell.id} in run {kept.run.name}:": _attack(story),
        "Verdict:": _verdict(story),
        "It depends on:": map(_other, others),
        "System calls of the attack:": call_lines(outcome.attempt) if outcome else (),
        "The witness:": witness_lines(outcome.witness) if outcome else (),
        "Hooks that were called on the handler:": _hooks(kept.line),
        "Took:": _cost(kept.line),
        "Console, last lines:": console_end(kept),
        "Traceback:": outcome.traceback.splitlines() if outcome else (),
        f"Evidence in {kept.folder}:": [", ".join(kept.files) or "none is kept"],
        "Run it again:": [story.run],
        "Open a shell there:": [story.shell],
    }
    paragraphs = [
        "\n".join([visible(head), *(f"  {visible(line)}" for line in lines)])
        for head, body in parts.items()
        if (lines := list(body))
    ]
    return "\n".join(paragraphs)


def as_json(story: CellStory) -> str:
    """Return a JSON object with the same, and with the whole evidence."""
    kept, outcome = story.kept, story.kept.outcome
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "run": kept.run.name,
        "cell": kept.cell.id,
        "attack": asdict(story.source),
        "result": kept.line,
        "expectation": story.expectation,
        "control": kept.control,
        "references": kept.references,
        "attempt": outcome.attempt if outcome else None,
        "witness": outcome.witness if outcome else None,
        "console": outcome.console if outcome else None,
        "traceback": outcome.traceback if outcome else None,
        "folder": str(kept.folder),
        "files": kept.files,
        "run_again": story.run,
        "shell": story.shell,
    }
    return json.dumps(msgspec.to_builtins(value), indent=1)


def _attack(story: CellStory) -> Iterator[str]:
    """Yield the first lines of the docstring, and the place of the source."""
    yield from story.source.about.splitlines()[:_ABOUT]
    yield f"source: {story.source.place or 'neither in this version nor in a file of the run'}"
    line = story.kept.line
    answers = f", answers {', '.join(line.answers)}" if line.answers else ""
    yield f"effect {line.effect.value}, surface {line.surface}{answers}"


def _verdict(story: CellStory) -> Iterator[str]:
    line = story.kept.line
    yield f"{line.verdict}{f': {line.detail}' if line.detail else ''}"
    if line.axes is not None:
        axes = (name for name, is_lost in asdict(line.axes).items() if is_lost)
        yield f"lost: {', '.join(axes) or 'nothing'}"
    if line.gained:
        yield f"gained: {', '.join(line.gained)}"
    if line.half:
        yield f"partial: {line.half}"
    yield f"{'as' if line.ok else 'NOT as'} expected: {line.expected}: {story.expectation}"
    yield f"the attack by its own account: {line.attempt_end}"


def _expectation(line: ResultLine, corpus: Corpus) -> str:
    """Return why the verdict is expected: as the run recorded it, or as the scenario declares."""
    if line.known_hole is not None:
        return f"a known hole: {line.known_hole}"
    if line.scenario in REFERENCES:
        return "a reference cell, which shows that the evidence can be trusted"
    if line.is_control:
        return "the control, on which the attack must win"
    scenario, variant = corpus.scenarios.get(line.scenario), corpus.variants.get(line.variant)
    if scenario and variant:
        why = scenario.lacking_on(variant) or scenario.denied_on(variant)
        if why is not None:
            return why
    if line.expected is Verdict.HELD:
        return "the variant is to stop it"
    return "the variant does not claim to stop it"


def _other(line: ResultLine) -> str:
    what = "reference" if line.scenario in REFERENCES else "control"
    return f"{what} {line.cell.id}: {told(line)}{'' if line.ok else ', NOT as expected'}"


def _hooks(line: ResultLine) -> Iterator[str]:
    if line.hooks:
        able = set(line.refusable)
        yield ", ".join(f"{name} (can refuse)" if name in able else name for name in line.hooks)


def _cost(line: ResultLine) -> Iterator[str]:
    said = f"{line.seconds:.2f} s, round {line.rounds}"
    said += f", kept from {line.kept}" if line.kept else ""
    won, made = line.tries
    if made:
        said += f", won {won} of {made} tries"
    yield f"{said}, kernel image {short_hash(line.image)}"


def console_end(kept: KeptCell) -> list[str]:
    """Return the last lines that the guest printed, if the cell is an error."""
    if kept.outcome is None or kept.line.verdict is not Verdict.ERROR:
        return []
    return [line for line in kept.outcome.console.splitlines() if line.strip()][-_CONSOLE:]
