# SPDX-License-Identifier: GPL-2.0-only
"""The command line: `umd-harness doctor | build | list | run | shell | surface | bench | repeat |
defences | export | compare | table | bisect | kselftest | clean`.

Whatever takes time to import is imported by the command that needs it, after its first line is
out.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.chosen_kernel import chosen_kernel
from harness.cli.comparing import run_bisect, run_compare, run_table
from harness.cli.options import Command, parser_of
from harness.engines import ENGINES, MICROVM
from harness.host.errors import UserError, mendable
from harness.judge.cells import all_cells
from harness.judge.controls import closure
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

    from harness.cli.chosen_kernel import Kernel
    from harness.model.cell import Cell
    from harness.scenarios.corpus import Corpus

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
    options = parser_of(_COMMANDS).parse_args(argv)
    if sys.stdout is None:
        sys.stderr.write("umd-harness: its output is closed; send it to /dev/null instead\n")
        return 2
    command: Command = options.command
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


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _choose(options: argparse.Namespace) -> tuple[Kernel, Corpus, list[Cell]]:
    """Return the kernel, the corpus with all that the user brings, and the cells chosen from it."""
    from harness.brought.options import Brought, brought_or_all
    from harness.brought.variant_files import load_variant_files
    from harness.run.selection import select

    corpus = Brought.of(options).added_to(SHIPPED)
    corpus = load_variant_files(options.variant_file, corpus)
    brought = [variant.name for variant in corpus.variants.values() if variant.origin]
    kernel = chosen_kernel(options, corpus, options.variant or brought, say=_say)
    engine = getattr(options, "engine", MICROVM.name)
    every = all_cells(corpus, kernel.line, kernel.variants, engine=engine)
    cells = brought_or_all(every, corpus, options.k)
    return kernel, corpus, select(corpus, cells, options.k)


def _run(options: argparse.Namespace) -> int:
    from harness.report.text import plan_line

    kernel, corpus, chosen = _choose(options)
    needed = closure(corpus, chosen)
    _say(plan_line(chosen, needed, jobs=options.jobs))

    from harness.report.terminal import console
    from harness.run.run import Plan, run_plan

    plan = Plan(
        line=kernel.line,
        corpus=corpus,
        chosen=chosen,
        needed=needed,
        jobs=options.jobs,
        root=options.results,
        scenario_files=[*options.scenario, *options.attack],
        keep_vmcores=options.keep == "vmcore",
        variant_files=options.variant_file,
    )
    return run_plan(plan, opener=kernel.opener, out=console())


def _list(options: argparse.Namespace) -> int:
    from harness.brought.scenario_files import load_scenario_files
    from harness.report.listing import listing, markdown_listing

    corpus = load_scenario_files(options.scenario, SHIPPED)
    _say(markdown_listing(corpus) if options.format == "markdown" else listing(corpus))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from harness.cli.doctor import examine

    needed_is_missing = False
    for finding in examine(options.line):
        _say(str(finding))
        needed_is_missing |= finding.is_needed and not finding.is_fine
    return 2 if needed_is_missing else 0


def _build(options: argparse.Namespace) -> int:
    from harness.report.terminal import console, progress_line

    kernel = chosen_kernel(options, SHIPPED, say=_say)
    with (
        progress_line(console()) as progress,
        kernel.opener(kernel.line, kernel.variants or SHIPPED.variants, progress) as opened,
    ):
        facts = opened.facts
    _say(_built(facts, kernel.line))
    for flavour, built in facts.get("flavours", {}).items():
        _say(_built(built, f"{kernel.line}, flavour {flavour}"))
    return 0


def _built(facts: Mapping[str, str], what: str) -> str:
    return f"kernel image {facts['image'][:12]} of {what}, guest {facts['guest_image'][:12]}"


def _shell(options: argparse.Namespace) -> int:
    from harness.brought.variant_files import load_variant_files
    from harness.lab.lab import Lab
    from harness.report.terminal import console, progress_line
    from harness.shell.boot import boot_shell
    from harness.shell.keyboard import check_terminal
    from harness.shell.session import BEFORE, Session, check_applicable, chosen_scenario, run_shell

    corpus = load_variant_files(options.variant_file, SHIPPED)
    brought = [one.name for one in corpus.variants.values() if one.origin]
    variant = options.variant or (brought or ["isolated"])[0]
    all_cells(corpus, options.line, [variant], engine=options.engine)
    if options.at and not options.scenario:
        raise UserError("--at says where in a scenario", hint="name it with --scenario")
    if options.boot and options.scenario:
        raise UserError("a scenario starts from a machine that is up", hint="leave out --boot")
    scenario = None
    if options.scenario:
        corpus, scenario = chosen_scenario(corpus, options.scenario)
        check_applicable(scenario, corpus.variants[variant])
    kernel = chosen_kernel(options, corpus, [variant], say=_say)
    check_terminal()
    with progress_line(console()) as progress:
        engine = ENGINES[options.engine]
        lab = Lab.open(
            kernel.line,
            [variant],
            progress=progress,
            choice=kernel.choice,
            engine=engine,
            corpus=corpus,
        )
    if options.boot:
        return boot_shell(lab, variant, gdb=options.gdb, say=_say)
    session = Session(lab, variant, scenario, options.at or BEFORE)
    return run_shell(session, gdb=options.gdb, say=_say)


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
    from harness.report.terminal import console, progress_line
    from harness.studies.bench import CELLS, REPEAT, bench, check_repeat
    from harness.studies.figures import check_place, write_figures
    from harness.studies.round_trip import BASELINE, ISOLATED, PAIRS, check_pairs, round_trip

    repeat, pairs = options.n or REPEAT, options.n or PAIRS
    if not options.round_trip:
        check_repeat(repeat)
    check_pairs(pairs)
    if options.output:
        check_place(options.output)
    out = console()
    variants = [BASELINE, ISOLATED, *(variant for variant, _ in CELLS if not options.round_trip)]
    kernel = chosen_kernel(options, SHIPPED, variants, say=_say)
    with progress_line(out) as progress, kernel.opener(kernel.line, variants, progress) as opened:
        trips = round_trip(opened.lab, pairs=pairs, progress=progress)
        cells = (
            []
            if options.round_trip
            else bench(opened.lab, line=kernel.line, repeat=repeat, progress=progress)
        )
    for measured in (*cells, trips):
        _say(str(measured))
    if options.output:
        write_figures(
            options.output, line=kernel.line, facts=opened.facts, round_trip=trips, cells=cells
        )
    return 1 if trips.is_within is False else 0


def _repeat(options: argparse.Namespace) -> int:
    from harness.report.terminal import console, progress_line
    from harness.report.text import visible
    from harness.studies.repeat import repeat

    kernel, corpus, cells = _choose(options)
    variants = [cell.variant for cell in cells]
    with (
        progress_line(console()) as progress,
        kernel.opener(kernel.line, variants, progress) as opened,
    ):
        counts = repeat(
            opened.lab,
            cells,
            corpus=corpus,
            times=options.n,
            jobs=options.jobs,
            progress=progress,
        )
    for count in counts:
        _say(visible(str(count)))
    steady = all(count.steady for count in counts)
    _say(f"{len(counts)} cells, {options.n} times each: {'all' if steady else 'NOT all'} steady")
    return 0 if steady else 1


def _defences(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from harness.lab.lab import Lab
    from harness.report.terminal import console, progress_line
    from harness.studies.defences import DEFENCES, SUBJECT, held_cells, markdown, what_each_buys

    defences = options.without or tuple(DEFENCES)
    if unknown := sorted(set(defences) - set(DEFENCES)):
        known = ", ".join(DEFENCES)
        raise UserError(f"there is no defence {unknown[0]!r}", hint=f"take one of: {known}")
    kernel = chosen_kernel(options, SHIPPED, [SUBJECT], say=_say)
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
    _say(markdown(bought, cells))
    for one in bought:
        for name, why in one.broken.items():
            _say(f"without {one.defence}: {name}: error: {why}")
    return 2 if any(one.broken for one in bought) else 0


def _export(options: argparse.Namespace) -> int:
    from harness.export.command import Wanted, export

    wanted = Wanted(
        line=options.line,
        output=options.output or Path("export", options.line),
        witness=not options.without_witness,
        signoff=options.signoff,
        results=options.results,
        bench=options.bench,
    )
    export(wanted, say=_say)
    return 0


def _kselftest(options: argparse.Namespace) -> int:
    from harness.kselftest.command import compare_variants
    from harness.report.kselftest import has_regression, print_comparison
    from harness.report.terminal import console, progress_line

    out = console()
    with progress_line(out) as progress:
        comparison = compare_variants(
            options.line,
            options.names,
            rounds=options.rounds,
            jobs=options.jobs,
            root=options.results,
            progress=progress,
        )
    print_comparison(out, comparison)
    return 1 if has_regression(comparison.compared) else 0


def _clean(options: argparse.Namespace) -> int:
    from harness.cache.clean import clean

    for removed in clean(everything=options.all):
        _say(str(removed))
    return 0


_COMMANDS = {
    "doctor": _doctor,
    "build": _build,
    "list": _list,
    "run": _run,
    "shell": _shell,
    "surface": _surface,
    "bench": _bench,
    "repeat": _repeat,
    "defences": _defences,
    "export": _export,
    "compare": lambda options: run_compare(options, say=_say),
    "table": lambda options: run_table(options, say=_say),
    "bisect": run_bisect,
    "kselftest": _kselftest,
    "clean": _clean,
}
