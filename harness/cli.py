# SPDX-License-Identifier: GPL-2.0-only
"""The command line: `umd-harness doctor | build | list | run | shell | bench | clean`.

Whatever takes time to import is imported by the command that needs it, after its first line is
out.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import UserError
from harness.matrix import DEFAULT_LINE, all_cells, closure, default_jobs

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
_BROKEN_PIPE = 141  # 128 + SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 2 for anything that the user has to mend."""
    options = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        status = command(options)
        sys.stdout.flush()
    except UserError as error:
        sys.stderr.write(f"umd-harness: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("umd-harness: stopped\n")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; Python would complain again at its own exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return status


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
    argument = add("bench", _bench, "time cells from the saved state against boot-plus-run")
    argument("-n", type=_positive, default=7, metavar="N", help="of each kind and cell (7)")
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
    from harness.report.listing import listing

    _load(options.scenarios)
    _say(listing())
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

    with progress_line(console()) as progress, open_lab(options.line, progress) as opened:
        facts = opened.facts
    _say(f"kernel image {facts['image'][:12]} of {options.line}, guest {facts['guest_image'][:12]}")
    return 0


def _shell(options: argparse.Namespace) -> int:
    from harness.shell import run_shell

    all_cells(options.line, [options.variant])
    return run_shell(options.line, options.variant)


def _bench(options: argparse.Namespace) -> int:
    from harness.bench import bench
    from harness.provenance import open_lab
    from harness.report.terminal import console, progress_line

    out = console()
    with progress_line(out) as progress, open_lab(options.line, progress) as opened:
        measured = bench(opened.lab, line=options.line, repeat=options.n, progress=progress)
    for measurement in measured:
        _say(str(measurement))
    return 0


def _clean(options: argparse.Namespace) -> int:
    from harness.clean import clean

    for removed in clean(everything=options.all):
        _say(str(removed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
