# SPDX-License-Identifier: GPL-2.0-only
"""What the command line takes: its commands, and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.brought.options import EFFECTS
from harness.cli.comparing import add_bisect, add_compare, add_table
from harness.engines import ENGINES, MICROVM
from harness.host.paths import KERNEL_PATCHES
from harness.kernel.series.series import DEFAULT_LINE, kernel_lines
from harness.run.pool import default_jobs

Command = Callable[[argparse.Namespace], int]
"""What a command does with its options; its exit status."""


def parser_of(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """Return the parser, whose result has what `commands` gives for its first word."""
    parser = argparse.ArgumentParser(
        prog="umd-harness",
        description="Attacks a user mode driver as root and says, with evidence from outside the "
        "guest, what happened.",
        epilog="exit status: 0 all as expected, 1 something was not, 2 a cell gave no conclusion "
        "or the harness could not run",
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, text: str) -> _Adder:
        sub = subparsers.add_parser(name, help=text, description=text.capitalize() + ".")
        sub.set_defaults(command=commands[name])
        return sub.add_argument

    argument = add("doctor", "check what this machine has, and say what is missing")
    _line(argument)
    argument = add("build", "build the kernel and the guest image, or find them built")
    _line(argument)
    _kernel(argument)
    argument = add("list", "list the scenarios and what each variant should give")
    argument("--format", choices=["text", "markdown"], default="text", help="text if not given")
    _scenario_files(argument)
    argument = add("run", "run scenarios on variants and print the matrix")
    argument("-k", metavar="EXPR", help="which cells: names joined by and, or, not")
    argument("--variant", action="append", default=[], metavar="NAME", help="may be repeated")
    _line(argument)
    _kernel(argument)
    argument("--jobs", type=_positive, default=default_jobs(), metavar="N", help="cells at a time")
    argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where to keep")
    argument(
        "--keep",
        choices=["vmcore"],
        help="of each cell that does not come out as expected, keep a dump of its machine for drgn "
        "or crash, about as large as its memory, and print the command that opens it",
    )
    _engine(argument)
    _own_attacks(argument)
    argument = add("shell", "give a root shell in a machine of a variant")
    argument("--variant", metavar="NAME", help="(isolated, or the variant of your own)")
    _variant_files(argument)
    argument(
        "--scenario",
        metavar="NAME|FILE.py[::NAME]",
        help="be where this scenario is: its machine, and all that comes first done",
    )
    argument(
        "--at",
        choices=["before", "after"],
        help="of the scenario: before its attack (if not given), or after it, with an account of "
        "what it did, and before the aftermath restarts the handler",
    )
    argument(
        "--gdb",
        action="store_true",
        help="have the machine stand still until gdb has it continue, and print the line for gdb",
    )
    argument(
        "--boot",
        action="store_true",
        help="boot it with its console on this terminal, in place of the saved state",
    )
    _engine(argument)
    _line(argument)
    _kernel(argument)
    argument = add("surface", "count where a task can be acted on, and what is not attacked")
    _line(argument)
    argument("--tree", type=Path, metavar="PATH", help="a built kernel tree, in place of a line")
    argument("--all", action="store_true", help="list each entry, not only what is open")
    argument(
        "--probe", action="store_true", help="write to each file of a guest and see what moves"
    )
    argument(
        "--jobs", type=_positive, default=default_jobs(), metavar="N", help="machines at a time"
    )
    argument(
        "--diff",
        nargs="+",
        default=[],
        metavar="KERNEL",
        help="what a kernel has that this other one has not, or the second of two and not the "
        "first: lines, paths, or `stock` for the line without our series",
    )
    argument = add(
        "bench",
        "time cells from the saved state against boot-plus-run, and round trips to an isolated "
        "handler against those to one that is not",
    )
    argument(
        "-n",
        type=_positive,
        metavar="N",
        help="measurements of each kind and cell (7), pairs of machines for the round trips (15)",
    )
    argument("--round-trip", action="store_true", help="the round trips alone: a minute")
    argument("--output", type=Path, metavar="FILE", help="where to keep the figures, as JSON")
    _line(argument)
    _kernel(argument)
    argument = add("repeat", "run cells again and again and count their verdicts")
    argument("-k", metavar="EXPR", help="which cells: names joined by and, or, not")
    argument("--variant", action="append", default=[], metavar="NAME", help="may be repeated")
    argument("-n", type=_positive, default=100, metavar="N", help="times each (100)")
    argument("--jobs", type=_positive, default=default_jobs(), metavar="N", help="cells at a time")
    _engine(argument)
    _line(argument)
    _own_attacks(argument)
    _kernel(argument)
    argument = add("defences", "show what each defence of `isolated` alone holds")
    argument(
        "--without", action="append", metavar="NAME", help="this defence only; may be repeated"
    )
    argument("--jobs", type=_positive, default=default_jobs(), metavar="N", help="cells at a time")
    _line(argument)
    _kernel(argument)
    argument = add(
        "export",
        "write the kernel patches as mails, for git am and git send-email",
    )
    _line(argument)
    argument("--without-witness", action="store_true", help="leave out what is for tests only")
    argument("--signoff", action="store_true", help="add your Signed-off-by to each patch")
    argument("--output", type=Path, metavar="DIR", help="where to write them (export/LINE)")
    argument(
        "--results",
        type=Path,
        metavar="DIR",
        help="the run that the cover letter shows (results/latest)",
    )
    argument("--bench", type=Path, metavar="FILE", help="its figures of the cost: a JSON object")
    add_compare(add("compare", "compare two runs, cell by cell: what got better, what got worse"))
    add_table(add("table", "count a run: how many attacks of each class each variant held"))
    argument = add("bisect", "find the commit of the series that changes a verdict")
    add_bisect(argument)
    argument("--jobs", type=_positive, default=default_jobs(), metavar="N", help="cells at a time")
    _line(argument)
    _scenario_files(argument)
    argument = add(
        "kselftest",
        "run the kernel's own selftests on baseline and on isolated",
    )
    argument("names", nargs="*", metavar="NAME", help="a collection or a program; else all")
    argument(
        "--rounds", type=_positive, default=5, metavar="N", help="where a test comes out unlike (5)"
    )
    argument("--jobs", type=_positive, default=1, metavar="N", help="programs at a time (1)")
    argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where to keep")
    _line(argument)
    argument = add("clean", "remove build trees and saved states from the cache")
    argument("--all", action="store_true", help="the built images too")
    return parser


_Adder = Callable[..., object]


def _line(argument: _Adder) -> None:
    lines = ", ".join(kernel_lines(KERNEL_PATCHES))
    argument(
        "--line",
        default=DEFAULT_LINE,
        type=_known_line,
        metavar="LINE",
        help=f"kernel line: {lines} ({DEFAULT_LINE})",
    )


def _engine(argument: _Adder) -> None:
    argument(
        "--engine",
        choices=ENGINES,
        default=MICROVM.name,
        help=f"how the machines boot ({MICROVM.name})",
    )


def _kernel(argument: _Adder) -> None:
    """Add the options for a kernel of the user's own."""
    argument("--tree", type=Path, metavar="PATH", help="your kernel tree, which is only read")
    argument(
        "--patches",
        type=Path,
        metavar="DIR|SERIES|MBOX",
        help="your patches in place of ours: a folder, a quilt series, mails or one patch",
    )
    argument("--with-library", action="store_true", help="put our series on the tree, or under")
    argument(
        "--config",
        action="append",
        default=[],
        type=Path,
        metavar="FRAGMENT",
        help="kernel options to add, each of which must survive; may be repeated",
    )
    argument("--kernel", type=Path, metavar="BZIMAGE", help="a kernel that is already built")
    argument("--vmlinux", type=Path, metavar="FILE", help="its vmlinux, where it was built")


def _scenario_files(argument: _Adder) -> None:
    argument(
        "--scenario",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.py",
        help="scenarios of your own (the file is executed), alone but for -k; may be repeated",
    )


def _known_line(text: str) -> str:
    lines = kernel_lines(KERNEL_PATCHES)
    if text not in lines:
        raise argparse.ArgumentTypeError(f"there is no kernel line {text}: take {', '.join(lines)}")
    return text


def _variant_files(argument: _Adder) -> None:
    argument(
        "--variant-file",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.toml",
        help="a variant of your own, alone but for --variant (OWN_ATTACKS.md); may be repeated",
    )


def _own_attacks(argument: _Adder) -> None:
    _variant_files(argument)
    _scenario_files(argument)
    argument(
        "--attack",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="an attack program of your own, static or as FILE.c (OWN_ATTACKS.md); may be repeated",
    )
    argument("--effect", choices=EFFECTS, help="what it does to the handler (integrity)")
    argument(
        "--attack-reach",
        metavar="FUNCTION",
        help="the kernel function that must be seen before `held` is believed",
    )
    argument(
        "--attack-no-target",
        metavar="FUNCTION",
        help="the one that must be seen before exit status 4 is believed",
    )
    argument("--attack-timeout", type=_positive, metavar="SECONDS", help="how long it may run (30)")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)
