# SPDX-License-Identifier: GPL-2.0-only
"""The options that several commands share, each declared once."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harness.brought.options import EFFECTS, Brought
from harness.cli.declare import choice, group, option, repeated, switch
from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES
from harness.kernel.series.lines import DEFAULT_LINE, check_line, kernel_lines
from harness.model.engine_names import DEFAULT_ENGINE, ENGINE_NAMES
from harness.model.handlers import DEFAULT_HANDLER, HANDLERS
from harness.model.variants import VARIANTS

if TYPE_CHECKING:
    from harness.run.shard import Shard

D = TypeVar("D")

REPORT_FORMATS = ("text", "markdown", "json")

RUN = "its folder, its name, or `latest`"
"""How a kept run is named, as the help says it."""

SHIPPED_VARIANTS = f"shipped variants: {', '.join(VARIANTS)}"

EXPRESSION_HELP = (
    "take the cells that this expression matches, as with -k of pytest: parts of the names of "
    "scenarios, variants or cells, of the ids of surface rows, or of effects, in upper or lower "
    "case, joined by and, or, not and parentheses; [ and ] mark the ends of a cell's name, as in "
    "'isolated-pagemap]'"
)


def positive(text: str) -> int:
    """Convert a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on; for example 2")
    return int(text)


def percentage(text: str) -> float:
    """Convert a percentage, such as 5%."""
    try:
        share = float(text.removesuffix("%"))
    except ValueError:
        share = -1.0
    if not 0 < share <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0% and up to 100%; such as 5%")
    return share


def known_shard(text: str) -> Shard:
    """Convert the name of a shard, such as 2/4."""
    from harness.run.shard import Shard

    try:
        return Shard.parse(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def known_line(text: str) -> str:
    """Convert the name of a kernel line that there is."""
    try:
        check_line(text, patches=KERNEL_PATCHES)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def default_jobs() -> int:
    """Return how many machines to run at once: the processors that this process may use."""
    return len(os.sched_getaffinity(0))


def line_option() -> str:
    """Declare `--line`."""
    lines = ", ".join(kernel_lines(KERNEL_PATCHES))
    return option(
        "--line",
        convert=known_line,
        default=DEFAULT_LINE,
        metavar="LINE",
        help=f"the kernel line: {lines} (default: {DEFAULT_LINE})",
    )


def jobs_option(default: int | None = None) -> int:
    """Declare `--jobs`. Without a default there is a machine for each processor."""
    told = default or "the number of processors"
    return option(
        "--jobs",
        convert=positive,
        default=default or default_jobs(),
        metavar="N",
        help=f"how many machines run at a time (default: {told})",
    )


def rounds_option(help: str, default: D) -> int | D:
    """Declare `--rounds`: how many times something is run or measured."""
    return option(
        "-n", "--rounds", convert=positive, default=default, metavar="N", help=f"how many {help}"
    )


def engine_option() -> str:
    """Declare `--engine`."""
    return choice(
        "--engine",
        choices=ENGINE_NAMES,
        default=DEFAULT_ENGINE,
        help=f"how the machines boot (default: {DEFAULT_ENGINE})",
    )


def handler_option() -> str:
    """Declare `--handler`."""
    told = "; ".join(f"{kind.name}: {kind.summary}" for kind in HANDLERS.values())
    return choice(
        "--handler",
        choices=tuple(HANDLERS),
        default=DEFAULT_HANDLER,
        help=f"the handler to attack: {told} (default: {DEFAULT_HANDLER})",
    )


def variant_option(
    help: str = "take this variant, and the controls that it needs (default: all; your own attacks "
    "run on all except rivals and proposals)",
) -> tuple[str, ...]:
    """Declare `--variant` for commands that take several."""
    return repeated("--variant", convert=str, metavar="VARIANT", help=f"{help}; {SHIPPED_VARIANTS}")


def variant_files_option() -> tuple[Path, ...]:
    """Declare `--variant-file`."""
    return repeated(
        "--variant-file",
        convert=Path,
        metavar="FILE.toml",
        help="add a variant of your own from this file; without --variant, only added variants run",
    )


def scenario_files_option() -> tuple[Path, ...]:
    """Declare `--scenario` for commands that take several files."""
    return repeated(
        "--scenario",
        convert=Path,
        metavar="FILE.py",
        help="execute this file and add the scenarios that it registers",
    )


def results_option() -> Path:
    """Declare `--results`, the folder of kept runs."""
    return option(
        "--results",
        convert=Path,
        default=Path("results"),
        metavar="DIR",
        help="the folder of the runs, where each run has a folder of its own (default: results)",
    )


def matrix_switch() -> bool:
    """Declare `--matrix` of the commands that end with the report of a run."""
    return switch(
        "--matrix",
        help="print the whole matrix at the end (default: the matrix if the report has at most 60 "
        "lines with it, otherwise the attacks held by class; the matrix is in matrix.txt in the "
        "folder of the run)",
    )


def report_format_option(*further: str) -> str:
    """Declare `--format` of the reports on kept runs, with the further formats of one of them."""
    return choice(
        "--format",
        choices=(*REPORT_FORMATS, *further),
        default="text",
        help="the format (default: text)",
    )


def defences_option() -> Path | None:
    """Declare `--defences`, a file of `defences --output`."""
    return option(
        "--defences",
        convert=Path,
        default=None,
        metavar="FILE",
        help="add what `umd-harness defences --output FILE` has measured (default: none)",
    )


def report_output_option(help: str = "write to this file (default: print)") -> Path | None:
    """Declare `--output`, the file for what the command finds."""
    return option("--output", convert=Path, default=None, metavar="FILE", help=help)


@dataclass(frozen=True)
class KernelOptions:
    """The kernel to run on: a kernel line's, or one of the user's own."""

    line: str = line_option()
    tree: Path | None = option(
        "--tree",
        convert=Path,
        default=None,
        metavar="DIR",
        help="build this kernel tree in place of the line's source; the tree itself is only read "
        "(default: the line's source)",
    )
    patches: Path | None = option(
        "--patches",
        convert=Path,
        default=None,
        metavar="DIR|SERIES|MBOX",
        help="apply these patches in place of our series, or with --with-library on top of it: a "
        "folder, a quilt series, an mbox or a single patch (default: our series)",
    )
    with_library: bool = switch(
        "--with-library",
        help="apply our series to the source, and then your patches, if you give any",
    )
    skip_docs: bool = switch(
        "--skip-docs",
        help="leave out the hunks for Documentation, MAINTAINERS and CREDITS that do not apply; a "
        "line names each",
    )
    config: tuple[Path, ...] = repeated(
        "--config",
        convert=Path,
        metavar="FRAGMENT",
        help="set the kernel options in this file; the build fails if Kconfig drops an option",
    )
    bzimage: Path | None = option(
        "--kernel",
        convert=Path,
        default=None,
        metavar="BZIMAGE",
        help="boot this built kernel; needs --vmlinux (default: build a kernel)",
    )
    vmlinux: Path | None = option(
        "--vmlinux",
        convert=Path,
        default=None,
        metavar="FILE",
        help="the vmlinux of --kernel, in the folder where it was built (default: none)",
    )


def kernel_options() -> KernelOptions:
    """Declare the options for the kernel."""
    return group("kernel", KernelOptions)


@dataclass(frozen=True)
class BroughtOptions:
    """Variants and attacks of the user's own."""

    variant_files: tuple[Path, ...] = variant_files_option()
    scenario_files: tuple[Path, ...] = scenario_files_option()
    attacks: tuple[Path, ...] = repeated(
        "--attack",
        convert=Path,
        metavar="FILE",
        help="add an attack program: a static executable, or a C file that is compiled",
    )
    effect: str | None = choice(
        "--effect",
        choices=EFFECTS,
        default=None,
        help=f"the property of the handler that the attack programs harm (default: {EFFECTS[0]})",
    )
    reach: str | None = option(
        "--attack-reach",
        convert=str,
        default=None,
        metavar="FUNCTION",
        help="the kernel function that an attack program must reach for the verdict `held` "
        "(default: none)",
    )
    no_target: str | None = option(
        "--attack-no-target",
        convert=str,
        default=None,
        metavar="FUNCTION",
        help="the kernel function that an attack program must reach for its exit status 4, `no "
        "target`, to count (default: none)",
    )
    seconds: int | None = option(
        "--attack-timeout",
        convert=positive,
        default=None,
        metavar="SECONDS",
        help="how many seconds an attack program may run, at most 200 (default: 30)",
    )

    def brought(self) -> Brought:
        """Return the attacks, checked. Raises UserError for options that contradict each other."""
        return Brought(
            self.scenario_files,
            self.attacks,
            self.effect,
            self.reach,
            self.no_target,
            self.seconds,
        ).checked()


@dataclass(frozen=True)
class MatrixOptions:
    """The options that choose cells and how they run."""

    expression: str | None = option(
        "-k",
        convert=str,
        default=None,
        metavar="EXPR",
        help=f"{EXPRESSION_HELP} (default: all, or all of your own attacks if you add any). "
        "Your own attacks also run if it matches none of their file",
    )
    variants: tuple[str, ...] = variant_option()
    jobs: int = jobs_option()
    engine: str = engine_option()
    handler: str = handler_option()
    kernel: KernelOptions = kernel_options()
    own: BroughtOptions = group("variants and attacks of your own", BroughtOptions)
