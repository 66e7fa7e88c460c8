# SPDX-License-Identifier: GPL-2.0-only
"""The command line: `umd-harness doctor | build | list | run | shell | surface | bench | repeat |
clean`.

Whatever takes time to import is imported by the command that needs it, after its first line is
out.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError, mendable
from harness.matrix import DEFAULT_LINE, all_cells, closure, default_jobs

if TYPE_CHECKING:
    from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BROKEN_PIPE = 141  # 128 + SIGPIPE


class _Stopped(KeyboardInterrupt):
    """A signal that asks the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.status = 128 + number  # as shells have it
        self.message = "stopped"
        if number != signal.SIGINT:
            name = signal.Signals(number).name
            self.message += f" by {name}; what was built stays: the same command goes on from there"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 2 for anything that the user has to mend."""
    options = _parser().parse_args(argv)
    if sys.stdout is None:
        sys.stderr.write("umd-harness: its output is closed; send it to /dev/null instead\n")
        return 2
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        with _ended_by_signals():
            status = command(options)
        sys.stdout.flush()
    except UserError as error:
        sys.stderr.write(f"umd-harness: {error}\n")
        return 2
    except _Stopped as stopped:
        sys.stderr.write(f"umd-harness: {stopped.message}\n")
        return stopped.status
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; Python would complain again at its own exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except OSError as error:
        if (told := mendable(error)) is None:
            raise
        sys.stderr.write(f"umd-harness: {told}\n")
        return 2
    return status


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let the first signal that asks for an end raise _Stopped; further ones change nothing.

    What is under way is undone then, and all of it has deadlines: a second Ctrl-C must not
    interrupt that half way.
    """
    stopped = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            raise _Stopped(number)

    before = {number: signal.signal(number, stop) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="umd-harness",
        description="Attacks a user mode driver as root and says, with evidence from outside the "
        "guest, what happened.",
        epilog="exit status: 0 all as expected, 1 something was not, 2 a cell gave no conclusion "
        "or the harness could not run",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> _Adder:
        sub = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        sub.set_defaults(command=command)
        return sub.add_argument

    argument = add("doctor", _doctor, "check what this machine has, and say what is missing")
    _line(argument)
    argument = add("build", _build, "build the kernel and the guest image, or find them built")
    _line(argument)
    argument = add("list", _list, "list the scenarios and what each variant should give")
    argument("--format", choices=["text", "markdown"], default="text", help="text if not given")
    _scenario_files(argument)
    argument = add("run", _run, "run scenarios on variants and print the matrix")
    argument("-k", metavar="EXPR", help="which cells: names joined by and, or, not")
    argument("--variant", action="append", default=[], metavar="NAME", help="may be repeated")
    _line(argument)
    argument("--jobs", type=_positive, default=default_jobs(), metavar="N", help="cells at a time")
    argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where to keep")
    _scenario_files(argument)
    argument = add("shell", _shell, "boot a machine and give a root shell in it")
    argument("--variant", default="isolated", metavar="NAME")
    _line(argument)
    argument = add(
        "surface", _surface, "count where a task can be acted on, and what is not attacked"
    )
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
    argument = add("bench", _bench, "time cells from the saved state against boot-plus-run")
    argument("-n", type=_positive, default=7, metavar="N", help="of each kind and cell (7)")
    _line(argument)
    argument = add("repeat", _repeat, "run cells again and again and count their verdicts")
    argument("-k", metavar="EXPR", help="which cells: names joined by and, or, not")
    argument("--variant", action="append", default=[], metavar="NAME", help="may be repeated")
    argument("-n", type=_positive, default=100, metavar="N", help="times each (100)")
    argument("--jobs", type=_positive, default=default_jobs(), metavar="N", help="cells at a time")
    _line(argument)
    argument = add("clean", _clean, "remove build trees and saved states from the cache")
    argument("--all", action="store_true", help="the built images too")
    return parser


_Adder = Callable[..., object]


def _line(argument: _Adder) -> None:
    argument("--line", default=DEFAULT_LINE, metavar="LINE", help=f"kernel line ({DEFAULT_LINE})")


def _scenario_files(argument: _Adder) -> None:
    argument(
        "--scenarios",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.py",
        help="a file with more scenarios (it is executed); may be repeated",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _load(files: Sequence[Path]) -> None:
    if files:
        from harness.scenario_files import load_scenario_files

        load_scenario_files(files)


def _run(options: argparse.Namespace) -> int:
    from harness.report.text import plan_line
    from harness.selection import select

    _load(options.scenarios)
    chosen = select(all_cells(options.line, options.variant), options.k)
    needed = closure(chosen)
    _say(plan_line(chosen, needed, jobs=options.jobs))

    from harness.provenance import open_lab
    from harness.report.terminal import console
    from harness.run import Plan, run_plan

    plan = Plan(
        line=options.line,
        chosen=chosen,
        needed=needed,
        jobs=options.jobs,
        root=options.results,
        scenario_files=options.scenarios,
    )
    return run_plan(plan, opener=open_lab, out=console())


def _list(options: argparse.Namespace) -> int:
    from harness.report.listing import listing, markdown_listing

    _load(options.scenarios)
    _say(markdown_listing() if options.format == "markdown" else listing())
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from harness.doctor import examine

    needed_is_missing = False
    for finding in examine(options.line):
        _say(str(finding))
        needed_is_missing |= finding.is_needed and not finding.is_fine
    return 2 if needed_is_missing else 0


def _build(options: argparse.Namespace) -> int:
    from harness.provenance import open_lab
    from harness.report.terminal import console, progress_line
    from harness.variants import VARIANTS

    with (
        progress_line(console()) as progress,
        open_lab(options.line, VARIANTS, progress) as opened,
    ):
        facts = opened.facts
    _say(_built(facts, options.line))
    for flavour, built in facts.get("flavours", {}).items():
        _say(_built(built, f"{options.line}, flavour {flavour}"))
    return 0


def _built(facts: Mapping[str, str], what: str) -> str:
    return f"kernel image {facts['image'][:12]} of {what}, guest {facts['guest_image'][:12]}"


def _shell(options: argparse.Namespace) -> int:
    from harness.shell import run_shell

    all_cells(options.line, [options.variant])
    return run_shell(options.line, options.variant)


def _surface(options: argparse.Namespace) -> int:
    from harness.report.terminal import console, progress_line
    from harness.surface.command import count_surface, diff_surface, probe_surface

    base, *others = [*options.diff, str(options.tree.absolute() if options.tree else options.line)][
        :2
    ]
    if len(options.diff) > 2:
        raise UserError("--diff compares two kernels", hint="name one or two")
    with progress_line(console()) as progress:
        if options.probe:
            return probe_surface(options.line, jobs=options.jobs, say=_say, progress=progress)
        if others:
            return diff_surface(base, *others, say=_say, progress=progress)
        return count_surface(base, everything=options.all, say=_say, progress=progress)


def _bench(options: argparse.Namespace) -> int:
    from harness.bench import CELLS, bench
    from harness.provenance import open_lab
    from harness.report.terminal import console, progress_line

    out = console()
    variants = [variant for variant, _ in CELLS]
    with progress_line(out) as progress, open_lab(options.line, variants, progress) as opened:
        measured = bench(opened.lab, line=options.line, repeat=options.n, progress=progress)
    for measurement in measured:
        _say(str(measurement))
    return 0


def _repeat(options: argparse.Namespace) -> int:
    from harness.provenance import open_lab
    from harness.repeat import repeat
    from harness.report.terminal import console, progress_line
    from harness.report.text import visible
    from harness.selection import select

    cells = select(all_cells(options.line, options.variant), options.k)
    variants = [cell.variant for cell in cells]
    with (
        progress_line(console()) as progress,
        open_lab(options.line, variants, progress) as opened,
    ):
        counts = repeat(opened.lab, cells, times=options.n, jobs=options.jobs, progress=progress)
    for count in counts:
        _say(visible(str(count)))
    steady = all(count.steady for count in counts)
    _say(f"{len(counts)} cells, {options.n} times each: {'all' if steady else 'NOT all'} steady")
    return 0 if steady else 1


def _clean(options: argparse.Namespace) -> int:
    from harness.clean import clean

    for removed in clean(everything=options.all):
        _say(str(removed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
