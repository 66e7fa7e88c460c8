# SPDX-License-Identifier: GPL-2.0-only
"""What the options choose: the kernel, the corpus with what the user adds, the cells.

All that can be checked without a kernel is checked before a kernel is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from harness.brought.options import not_run
from harness.cli.output import say, warn
from harness.model.engine_names import DEFAULT_ENGINE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from harness.cli.options import KernelOptions, MatrixOptions
    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.model.cell import Cell
    from harness.run.provenance import LabPreparer
    from harness.run.request import Request
    from harness.scenarios.corpus import Corpus


@dataclass(frozen=True)
class ChosenKernel:
    """The kernel that a command runs on."""

    line: str
    """The kernel's name in cells and reports: a kernel line, or the name of the `choice`."""

    variants: tuple[str, ...]
    """The variants to run; empty for all."""

    prepare_lab: LabPreparer

    choice: KernelChoice | None = None
    """The user's own kernel; None for a kernel line's."""


@dataclass(frozen=True)
class Chosen:
    """What a command over many cells works on."""

    kernel: ChosenKernel
    corpus: Corpus
    cells: list[Cell]


def say_not_run(cells: Sequence[Cell], corpus: Corpus) -> None:
    """Name the user's scenarios that have none of the chosen cells."""
    if names := not_run(cells, corpus):
        say(f"not run, because -k matches others of the file: {', '.join(names)}")


def warn_of_unknown_words(corpus: Corpus, line: str, expression: str | None) -> None:
    """Name the words of -k that match nothing: each is probably mistyped."""
    from harness.judge.selection import unknown_words

    for warning in unknown_words(corpus, line, expression):
        warn(f"umd-harness: warning: {warning}")


def choose(options: MatrixOptions, *, recorded: Collection[str] | None = None) -> Chosen:
    """Load what the user adds, choose the cells, and build the user's own kernel if there is one.

    The ids `recorded` are those of the cells to choose from, if they are given. Of the cells, those
    remain whose variants the kernel supports. Raises UserError.
    """
    return built(ask(options, recorded=recorded))


def ask(options: MatrixOptions, *, recorded: Collection[str] | None = None) -> Request:
    """Load what the user adds, and choose the cells, as `choose` does. Nothing is built."""
    from harness.run.request import request

    asked = request(
        options.own.brought(),
        variant_files=options.own.variant_files,
        variants=options.variants,
        kernel=choice_of(options.kernel),
        engine=options.engine,
        handler=options.handler,
        expression=options.expression,
        recorded=recorded,
    )
    warn_of_unknown_words(asked.corpus, asked.line, options.expression)
    if recorded is None:
        say_not_run(asked.cells, asked.corpus)
    return asked


def built(asked: Request) -> Chosen:
    """Build the user's own kernel, if there is one, and keep the cells that it supports."""
    from harness.run.request import supported_cells

    corpus, cells = asked.corpus, asked.cells
    kernel = _kernel(asked.kernel, asked.line, corpus, asked.asked, engine=asked.engine)
    if asked.kernel:
        cells = supported_cells(cells, kernel.variants, kernel.line)
    return Chosen(kernel, corpus, cells)


def chosen_kernel(
    options: KernelOptions,
    corpus: Corpus,
    asked: Sequence[str] = (),
    *,
    engine: str = DEFAULT_ENGINE,
) -> ChosenKernel:
    """Return the kernel that the options choose; the user's own is built, or found built.

    The `engine` that boots the user's own is checked first. Raises UserError, also if the user's
    own does not support a variant that was `asked` for.
    """
    from harness.judge.cells import check_variants

    choice = choice_of(options).if_own()
    if choice:
        check_variants(corpus, asked)  # an unknown variant is an error before the build
    return _kernel(choice, options.line, corpus, asked, engine=engine)


def _kernel(
    choice: KernelChoice | None, line: str, corpus: Corpus, asked: Sequence[str], *, engine: str
) -> ChosenKernel:
    from harness.engines import ENGINES
    from harness.run import provenance

    prepare_lab = partial(provenance.prepare_lab, corpus=corpus, engine=engine)
    if choice is None:
        return ChosenKernel(line, tuple(asked), prepare_lab)
    ENGINES[engine].check()
    choice, variants = _built(choice, corpus, asked)
    return ChosenKernel(choice.name, variants, partial(prepare_lab, choice=choice), choice)


def choice_of(options: KernelOptions) -> KernelChoice:
    """Return the kernel that the options name: the user's own, or that of a line."""
    from harness.kernel.choice.kernel_choice import KernelChoice

    return KernelChoice(
        line=options.line,
        tree=options.tree,
        patches=options.patches,
        with_library=options.with_library,
        skip_docs=options.skip_docs,
        fragments=options.config,
        bzimage=options.bzimage,
        vmlinux=options.vmlinux,
    )


def _built(
    choice: KernelChoice, corpus: Corpus, asked: Sequence[str]
) -> tuple[KernelChoice, tuple[str, ...]]:
    """Read the tree, build the kernel, and print which variants it does not support, and why."""
    from harness.host.paths import cache_dir
    from harness.kernel.choice.built import description, variants_of
    from harness.report.terminal import console, progress_line

    choice = choice.settled(cache=cache_dir())
    say(f"{choice.name}: {description(choice)}")
    with progress_line(console()) as progress:
        variants, missing, merged = variants_of(choice, corpus.variants, asked, progress=progress)
    for line in merged:
        say(f"{choice.name}: {line}")
    for why in dict.fromkeys(missing.values()):
        names = ", ".join(name for name in missing if missing[name] == why)
        say(f"{choice.name}: without {names}: {why}")
    return choice, tuple(variants)
