# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness defences`: the attacks that succeed on `isolated` without each defence."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.cli.chosen import chosen_kernel
from harness.cli.command import Command
from harness.cli.declare import repeated
from harness.cli.options import KernelOptions, jobs_option, kernel_options
from harness.cli.output import say
from harness.host.errors import UserError
from harness.host.suggestion import hint_for


@dataclass(frozen=True)
class Options:
    """The options of `defences`."""

    without: tuple[str, ...] = repeated(
        "--without",
        convert=str,
        metavar="NAME",
        help="switch off this defence only (default: each in turn)",
    )
    jobs: int = jobs_option()
    kernel: KernelOptions = kernel_options()


def run(options: Options) -> int:
    """Print a row for each defence; return 2 if a cell gave no conclusion. Raises UserError."""
    from harness.lab.lab import Lab
    from harness.report.terminal import console, progress_line
    from harness.report.text import visible
    from harness.scenarios.corpus import SHIPPED
    from harness.studies.defences import DEFENCES, SUBJECT, held_cells, markdown, what_each_buys

    defences = options.without or tuple(DEFENCES)
    if unknown := sorted(set(defences) - set(DEFENCES)):
        hint = hint_for(unknown[0], DEFENCES)
        raise UserError(f"there is no defence {unknown[0]!r}", hint=hint)
    kernel = chosen_kernel(options.kernel, SHIPPED, [SUBJECT])
    cells = held_cells(SHIPPED, kernel.line)
    with progress_line(console()) as progress:
        lab = Lab.open(kernel.line, [SUBJECT], progress=progress, choice=kernel.choice)
        bought = what_each_buys(
            lambda defence: replace(lab, without=defence),
            SHIPPED,
            cells,
            defences=defences,
            jobs=options.jobs,
            progress=progress,
        )
    say(markdown(bought, cells))
    for one in bought:
        for name, why in one.broken.items():
            say(visible(f"without {one.defence}: {name}: error: {why}"))
    return 2 if any(one.broken for one in bought) else 0


COMMAND = Command(
    "defences",
    "list the attacks that succeed on `isolated` when a single defence is switched off",
    "The list is Markdown. Exit status: 2 if a cell gave no conclusion, else 0.",
    Options,
    run,
    examples={
        "defences": "switch off each defence in turn",
        "defences --without access": "switch off a single defence",
    },
)
