# SPDX-License-Identifier: GPL-2.0-only
"""The kernel that a command runs on: a line's, or one of the user's own by its options."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from harness.engines import MICROVM
from harness.host.errors import UserError
from harness.judge.cells import all_cells
from harness.run import provenance

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from harness.kernel.choice.choice import KernelChoice
    from harness.scenarios.corpus import Corpus


@dataclass(frozen=True)
class Kernel:
    """What a command runs on: what it is called, the variants to take, and how its lab is opened.

    No variants are all there are; `choice` is a kernel of the user's own.
    """

    line: str
    variants: tuple[str, ...]
    opener: provenance.LabOpener
    choice: KernelChoice | None = None


def chosen_kernel(
    options: argparse.Namespace,
    corpus: Corpus,
    asked: Sequence[str] = (),
    *,
    say: Callable[[str], None],
) -> Kernel:
    """Return what the options choose; a kernel of the user's own is built first, if need be.

    Raises UserError, also if that cannot be one of the variants `asked` for.
    """
    choice = choice_of(options)
    # Commands without the option boot as the default does.
    opener = partial(
        provenance.open_lab, corpus=corpus, engine=getattr(options, "engine", MICROVM.name)
    )
    if choice is None:
        return Kernel(options.line, tuple(asked), opener)
    all_cells(corpus, options.line, asked)  # a variant that nobody knows is known before the build
    from harness.host.paths import cache_dir
    from harness.kernel.build.own import description, variants_of
    from harness.report.terminal import console, progress_line

    choice = choice.settled(cache=cache_dir())
    say(f"{choice.name}: {description(choice)}")
    with progress_line(console()) as progress:
        variants, missing = variants_of(choice, corpus.variants, asked, progress=progress)
    for why in dict.fromkeys(missing.values()):
        names = ", ".join(name for name in missing if missing[name] == why)
        say(f"{choice.name}: without {names}: {why}")
    return Kernel(choice.name, tuple(variants), partial(opener, choice=choice), choice)


def choice_of(options: argparse.Namespace) -> KernelChoice | None:
    """Return the kernel of the user's own that the options choose, or None. Raises UserError."""
    if not any((options.tree, options.patches, options.config, options.kernel, options.vmlinux)):
        if options.with_library:
            raise UserError(
                "--with-library is for a tree or patches of yours",
                hint=f"leave it out: {options.line} has the library",
            )
        return None
    from harness.kernel.choice.choice import KernelChoice

    choice = KernelChoice(
        line=options.line,
        tree=options.tree,
        patches=options.patches,
        with_library=options.with_library,
        fragments=tuple(options.config),
        bzimage=options.kernel,
        vmlinux=options.vmlinux,
    )
    choice.check()
    return choice
