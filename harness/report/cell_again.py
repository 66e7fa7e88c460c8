# SPDX-License-Identifier: GPL-2.0-only
"""The commands that run a kept cell again, and that open a shell in its machine."""

from __future__ import annotations

import shlex
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.kernel.series.lines import DEFAULT_LINE
from harness.model.engine_names import DEFAULT_ENGINE
from harness.model.handlers import DEFAULT_HANDLER
from harness.model.verdict import Verdict
from harness.report.text import in_checkout, run_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.report.attack_source import AttackSource
    from harness.results.kept_cell import KeptCell
    from harness.results.run_header import RunHeader
    from harness.scenarios.corpus import Corpus


_OF_PROGRAMS = ("--effect", "--attack-reach", "--attack-no-target", "--attack-timeout")
"""The options of attack programs, each with a value."""


def run_again(kept: KeptCell, corpus: Corpus, source: AttackSource) -> str:
    """Return the command that runs the cell, its control and its references again.

    Of the files that the run was given, the command has the file of the cell's attack. If that is
    not known, it has all.
    """
    header, cell = kept.run.header, kept.cell
    words = [*kernel_words(header, cell.line), "--variant", cell.variant, "-k", f"[{cell.id}]"]
    if cell.scenario not in corpus.scenarios:
        given = header.scenario_files
        words += _brought([file for file in given if file == source.path] or given, header)
    return f"{run_command()} {_joined(words)}"


def _brought(files: Iterable[str], header: RunHeader) -> Iterator[str]:
    """Yield the options for files of the user, and for programs among them."""
    is_program = False
    for file in files:
        is_python = file.endswith(".py")
        yield from ("--scenario" if is_python else "--attack", file)
        is_program |= not is_python
    for name, value in pairwise(header.arguments):
        if is_program and name in _OF_PROGRAMS:
            yield from (name, value)


def shell_there(kept: KeptCell, corpus: Corpus, source: AttackSource) -> str:
    """Return the command for a shell in the cell's machine, after the attack if that is possible.

    A shell makes no attack that is a program, or that is not applicable.
    """
    cell, line = kept.cell, kept.line
    words = [*kernel_words(kept.run.header, cell.line), "--variant", cell.variant]
    is_brought = cell.scenario not in corpus.scenarios
    if line.verdict is not Verdict.NOT_APPLICABLE and (not is_brought or _is_python(source)):
        words += ["--scenario", source.path] if is_brought else []
        words += ["--prepare", cell.scenario]
        # Where the machine was lost, there is nothing to look at after the attack.
        has_ended = kept.outcome is not None and "after" not in kept.outcome.witness
        words += ["--at", "before" if has_ended or line.verdict is Verdict.ERROR else "after"]
    command = ".venv/bin/umd-harness" if in_checkout() else "umd-harness"
    return f"{command} shell {_joined(words)}"


_quoted = lru_cache(maxsize=4096)(shlex.quote)
"""A page has commands for each cell, and they share most words."""


def _joined(words: Iterable[str]) -> str:
    return " ".join(map(_quoted, words))


def _is_python(source: AttackSource) -> bool:
    return source.path.endswith(".py")


def kernel_words(header: RunHeader, line: str) -> Iterator[str]:
    """Yield the options for the kernel, the engine, the handler and the user's variants."""
    choice = header.choice
    if isinstance(choice, dict):
        yield from map(str, choice.get("words", ()))
    elif line != DEFAULT_LINE:
        yield from ("--line", line)
    if header.engine not in ("", DEFAULT_ENGINE):
        yield from ("--engine", header.engine)
    if header.handler != DEFAULT_HANDLER:
        yield from ("--handler", header.handler)
    for file in header.variant_files:
        yield from ("--variant-file", file)
