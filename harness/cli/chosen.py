# SPDX-License-Identifier: GPL-2.0-only
"""What the options choose: the kernel, the corpus with what the user adds, the cells.

All that can be checked without a kernel is checked before a kernel is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from harness.brought.options import Brought, brought_or_all, not_run, with_brought
from harness.cli.output import say
from harness.host.errors import UserError
from harness.model.engine_names import DEFAULT_ENGINE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.cli.options import KernelOptions, MatrixOptions
    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.model.cell import Cell
    from harness.run.provenance import LabPreparer
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


def corpus_with(brought: Brought, variant_files: Sequence[Path] = ()) -> Corpus:
    """Return the shipped corpus with the user's own attacks and variants. Raises UserError.

    Scenario files are executed.
    """
    from harness.brought.variant_files import load_variant_files
    from harness.scenarios.corpus import SHIPPED

    corpus = brought.added_to(SHIPPED)
    return load_variant_files(variant_files, corpus)


def say_not_run(cells: Sequence[Cell], corpus: Corpus) -> None:
    """Name the user's scenarios that have none of the chosen cells."""
    if names := not_run(cells, corpus):
        say(f"not run, because -k matches others of the file: {', '.join(names)}")


def own_variants(corpus: Corpus) -> tuple[str, ...]:
    """Return the names of the user's own variants."""
    return tuple(variant.name for variant in corpus.variants.values() if variant.origin)


def choose(options: MatrixOptions) -> Chosen:
    """Load what the user adds, choose the cells, and build the user's own kernel if there is one.

    Of the cells, those remain whose variants the kernel supports. Raises UserError.
    """
    from harness.judge.cells import all_cells
    from harness.judge.selection import select

    brought = options.own.brought()
    corpus = corpus_with(brought, options.own.variant_files)
    asked = options.variants or own_variants(corpus)
    choice = choice_of(options.kernel)
    line = choice.name if choice else options.kernel.line
    every = all_cells(corpus, line, asked, engine=options.engine)
    cells = brought_or_all(every, corpus, options.expression)
    cells = with_brought(select(corpus, cells, options.expression), every, corpus)
    say_not_run(cells, corpus)
    kernel = _kernel(choice, options.kernel.line, corpus, asked, engine=options.engine)
    if choice:
        cells = [cell for cell in cells if cell.variant in kernel.variants]
    if not cells:
        raise UserError(
            f"{kernel.line} supports no variant of the chosen cells",
            hint=f"choose cells on {', '.join(kernel.variants)}",
        )
    return Chosen(kernel, corpus, cells)


def chosen_kernel(
    options: KernelOptions, corpus: Corpus, asked: Sequence[str] = ()
) -> ChosenKernel:
    """Return the kernel that the options choose; the user's own is built, or found built.

    Raises UserError, also if the user's own does not support a variant that was `asked` for.
    """
    from harness.judge.cells import check_variants

    choice = choice_of(options)
    if choice:
        check_variants(corpus, asked)  # an unknown variant is an error before the build
    return _kernel(choice, options.line, corpus, asked, engine=DEFAULT_ENGINE)


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


def choice_of(options: KernelOptions) -> KernelChoice | None:
    """Return the user's own kernel, checked; None if the options name none. Raises UserError."""
    if not any((options.tree, options.patches, options.config, options.bzimage, options.vmlinux)):
        if options.with_library:
            raise UserError(
                "--with-library is for a tree or patches of yours",
                hint=f"leave it out: {options.line} has the library",
            )
        if options.skip_docs:
            raise UserError(
                "--skip-docs is for patches of yours", hint="add --patches, or leave it out"
            )
        return None
    from harness.kernel.choice.kernel_choice import KernelChoice

    choice = KernelChoice(
        line=options.line,
        tree=options.tree,
        patches=options.patches,
        with_library=options.with_library,
        skip_docs=options.skip_docs,
        fragments=options.config,
        bzimage=options.bzimage,
        vmlinux=options.vmlinux,
    )
    choice.check()
    return choice


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
