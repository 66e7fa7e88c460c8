# SPDX-License-Identifier: GPL-2.0-only
"""`run --resume` and `run --failed`: which options they take, and which they have from the run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from harness.cli.declare import options_of, words_of
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.cli.options import MatrixOptions
    from harness.judge.result import Result
    from harness.results.run_header import RunHeader
    from harness.scenarios.corpus import Corpus

Run = TypeVar("Run", bound="MatrixOptions")

_SHOWN = ("results", "jobs", "on", "matrix", "only_problems", "format")

TAKEN = {"resume": _SHOWN, "failed": (*_SHOWN, "keep", "expression")}
"""By option: the other options that it takes. All others are those of the run."""


def options_again(options: Run, recorded: Sequence[str], *, switch: str) -> Run:
    """Return the options of the run with these `recorded` words, and the given ones in their place.

    Raises UserError for an option that `switch` does not take.
    """
    kind, taken = type(options), TAKEN[switch]
    plain = options_of(kind, ())
    given = {name: getattr(options, name) for name in taken}
    rest = {name: getattr(plain, name) for name in (switch, *taken)}
    if words := words_of(replace(options, **rest)):
        raise UserError(
            f"--{switch} takes {words[0]} from the run", hint=f"leave out {words[0]}, or --{switch}"
        )
    if switch == "resume" and given["jobs"] == plain.jobs:
        del given["jobs"]
    return replace(options_of(kind, recorded), **given)


def recorded_words(header: RunHeader) -> list[str]:
    """Return the options of a run, as far as its header has them: a pytest session has no words."""
    if header.arguments[:1] == ("run",):
        return list(header.arguments[1:])
    from harness.report.cell_again import kernel_words

    words = list(kernel_words(header, header.line))
    for file in header.scenario_files:
        words += ["--scenario" if file.endswith(".py") else "--attack", file]
    return words


def own_corpus(
    kind: type[MatrixOptions], header: RunHeader
) -> tuple[Corpus, Callable[[Result], str]]:
    """Return the corpus of a run, and the function that says how to run a cell of it again.

    `kind` is that of the run's options. The user's files are loaded. Raises UserError.
    """
    from functools import partial

    from harness.brought.options import corpus_with
    from harness.cli.chosen import choice_of
    from harness.report.text import rerun_line

    options = options_of(kind, recorded_words(header))
    corpus = corpus_with(options.own.brought(), options.own.variant_files, options.handler)
    choice = choice_of(options.kernel).if_own()
    return corpus, partial(rerun_line, corpus=corpus, choice=choice, engine=header.engine)
