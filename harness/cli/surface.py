# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness surface`: the kernel's entries that act on another task, and their scenarios."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.cli.command import Command
from harness.cli.declare import option, several, switch
from harness.cli.options import jobs_option, line_option
from harness.cli.output import say
from harness.host.errors import UserError


@dataclass(frozen=True)
class Options:
    """The options of `surface`."""

    line: str = line_option()
    built_tree: Path | None = option(
        "--built-tree",
        convert=Path,
        default=None,
        metavar="DIR",
        help="count in this kernel tree that you built (default: that of --line)",
    )
    all: bool = switch(
        "--all", help="list every entry, not only those with neither a scenario nor a review"
    )
    probe: bool = switch(
        "--probe",
        help="write to each file of a guest as root, and list the files that change the handler",
    )
    probe_on: str = option(
        "--probe-on",
        convert=str,
        default="baseline",
        metavar="VARIANT",
        help="the variant of the guests that --probe writes to (default: baseline)",
    )
    jobs: int = jobs_option()
    diff: tuple[str, ...] = several(
        "--diff",
        convert=str,
        metavar="KERNEL",
        help="list the entries that the chosen kernel has and KERNEL lacks; with two KERNELs, "
        "those that the second has and the first lacks. KERNEL is a line, a path, or `stock` for "
        "the line without our series",
    )


def run(options: Options) -> int:
    """Print the report; return 1 if something is open. Raises UserError."""
    from harness.report.terminal import console, progress_line
    from harness.surface.command import check_kernels, count_surface, diff_surface, probe_surface

    if len(options.diff) > 2:
        raise UserError("--diff compares two kernels", hint="name one or two")
    if options.probe and (options.built_tree or options.diff):
        raise UserError(
            "--probe writes to a guest of --line",
            hint="leave out --built-tree and --diff, or --probe",
        )
    chosen = str(options.built_tree.absolute()) if options.built_tree else options.line
    base, *others = [*options.diff, chosen][:2]
    check_kernels([base, *others])
    with progress_line(console()) as progress:
        if options.probe:
            return probe_surface(
                options.line, options.probe_on, jobs=options.jobs, say=say, progress=progress
            )
        if others:
            return diff_surface(base, *others, say=say, progress=progress)
        return count_surface(base, everything=options.all, say=say, progress=progress)


COMMAND = Command(
    "surface",
    "count the kernel's entries that act on another task, and list those without a scenario",
    "Exit status: 0 if every entry is covered by a scenario or reviewed, else 1.",
    Options,
    run,
    examples={
        "surface": "count the entries of the default kernel line",
        "surface --built-tree ~/src/linux --all": "list every entry of a kernel that you built",
        "surface --diff stock 6.12": "list what our series adds to the attack surface",
        "surface --probe": "write to the files of a guest and see what changes the handler",
        "surface --probe --probe-on isolated": "see what still changes the isolated handler",
    },
)
