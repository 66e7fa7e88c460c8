# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness run`: one pass over the chosen cells."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from harness.cli.chosen import choice_of, choose
from harness.cli.command import Command
from harness.cli.declare import choice, option, optional, switch, words_of
from harness.cli.options import (
    RUN,
    MatrixOptions,
    known_shard,
    matrix_switch,
    percentage,
    results_option,
)
from harness.cli.output import say
from harness.cli.run_again import options_again, recorded_words
from harness.host.errors import UserError
from harness.model.engine_names import DEFAULT_ENGINE
from harness.results.run_name import LATEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.cli.chosen import Chosen
    from harness.results.shard_record import ShardRecord
    from harness.run.cluster import Cluster
    from harness.run.kept_cells import Since
    from harness.run.shard import Shard
    from harness.run.stopped_run import StoppedRun


@dataclass(frozen=True)
class Options(MatrixOptions):
    """The options of `run`."""

    results: Path = results_option()
    keep: str | None = choice(
        "--keep",
        choices=("vmcore",),
        default=None,
        help="for each cell with an unexpected result, keep a dump of the machine's memory for "
        "drgn or crash, about 256 MiB each, and print the command that opens it (default: no "
        "dumps)",
    )
    resume: str | None = optional(
        "--resume",
        otherwise=LATEST,
        metavar="RUN",
        help="go on with a run that was stopped or crashed, with its cells and options; RUN is "
        f"{RUN}; without RUN, the latest run (default: start a new run)",
    )
    since: str | None = option(
        "--since",
        convert=str,
        default=None,
        metavar="RUN",
        help="take over the cells of RUN that were as expected and rest on nothing that has "
        "changed, and run the others: images, variant, attack, payloads, the harness's code, "
        f"control; RUN is {RUN} (default: run all)",
    )
    verify_kept: float = option(
        "--verify-kept",
        convert=percentage,
        default=0.0,
        metavar="P%",
        help="run this share of the cells that --since takes over again, others each time, and end "
        "with an error if a verdict differs (default: none)",
    )
    failed: str | None = optional(
        "--failed",
        otherwise=LATEST,
        metavar="RUN",
        help="run the cells again that were not as expected in RUN, with its kernel, variants, "
        "engine and files; RUN as for --resume (default: choose the cells by -k)",
    )
    shard: Shard | None = option(
        "--shard",
        convert=known_shard,
        default=None,
        metavar="I/N",
        help="divide the chosen cells by scenario among N machines, and run the part I of them; "
        "`umd-harness merge` makes one run of all parts (default: run all)",
    )
    balance: str | None = option(
        "--balance",
        convert=str,
        default=None,
        metavar="RUN",
        help="divide the cells by the seconds that they took in RUN, the same on each machine: "
        f"{RUN}, or the file of its summary (default: the largest one in docs/runs)",
    )
    on: str | None = option(
        "--on",
        convert=str,
        default=None,
        metavar="SCHEDULER",
        help="run the cells on the workers of a Dask cluster, one for each of their threads, and "
        "keep the results here; SCHEDULER is tcp://HOST:PORT, or its scheduler file (default: run "
        "on this machine)",
    )
    matrix: bool = matrix_switch()
    only_problems: bool = switch(
        "--only-problems",
        help="print only the cells that are not as expected, during the run and at the end",
    )
    format: str = choice(
        "--format",
        choices=("text", "ktap"),
        default="text",
        help="the format of the results on standard output; with ktap, all other text goes to "
        "standard error (default: text)",
    )


def run(options: Options) -> int:
    """Run the cells and print the matrix. Raises UserError."""
    from harness.host.output_paths import check_results_root

    if options.matrix and options.only_problems:
        raise UserError(
            "--matrix and --only-problems contradict each other", hint="give one of them"
        )
    if options.resume is not None and options.failed is not None:
        raise UserError("--resume and --failed contradict each other", hint="give one of them")
    if options.verify_kept and options.since is None:
        raise UserError("--verify-kept is about kept cells", hint="add --since, or leave it out")
    if options.balance is not None and options.shard is None:
        raise UserError("--balance divides cells for --shard", hint="add --shard, or leave it out")
    check_results_root(options.results)
    if options.on is not None:
        _check_on(options)
    with _way(options) as way:
        return _begin(options, way)


@dataclass(frozen=True)
class _Way:
    """Where the cells run, and where their results go besides the report."""

    cluster: Cluster | None = None
    ktap: TextIO | None = None


@contextmanager
def _way(options: Options) -> Iterator[_Way]:
    """Connect to the cluster, if one is named, before anything is built. Raises UserError."""
    with ExitStack() as stack:
        ktap = None
        if options.format == "ktap":
            ktap = sys.stdout
            stack.enter_context(redirect_stdout(sys.stderr))
        if options.on is None:
            yield _Way(ktap=ktap)
            return
        from harness.run.cluster import connected

        yield _Way(stack.enter_context(connected(options.on)), ktap)


def _begin(options: Options, way: _Way) -> int:
    """Run the cells."""
    if options.failed is not None:
        return _run_failed(options, options.failed, way)
    if options.resume is not None:
        return _resume(options, options.resume, way)
    arguments = [COMMAND.name, *words_of(options)]
    since = _since(options)
    if options.shard is not None:
        return _run_shard(options, options.shard, way, arguments=arguments, since=since)
    return _run(options, choose(options), way, arguments=arguments, since=since)


def _check_on(options: Options) -> None:
    """Raise UserError for what a cluster cannot run: its workers have the harness and QEMU."""
    own = options.own
    brought = [*own.scenario_files, *own.attacks, *own.variant_files]
    for is_given, what in (
        (options.keep is not None, "--keep"),
        (options.engine != DEFAULT_ENGINE, f"--engine {options.engine}"),
        (brought, "attacks or variants of your own"),
    ):
        if is_given:
            raise UserError(
                f"--on does not take {what}",
                hint="run them here, or on several machines with --shard",
            )


def _since(options: Options) -> Since | None:
    """Return the earlier run whose cells are taken over, if one is named."""
    from harness.results.recorded_run import read_run
    from harness.run.kept_cells import Since

    if options.since is None:
        return None
    return Since(read_run(options.since, root=options.results), options.verify_kept / 100)


def _run_shard(
    options: Options,
    shard: Shard,
    way: _Way,
    *,
    arguments: Sequence[str],
    since: Since | None,
) -> int:
    """Run one part of the chosen cells. Where there are fewer attacks than parts, it is empty."""
    from harness.results.cell_seconds import seconds_of
    from harness.run.shard import planned

    seconds = seconds_of(options.balance, root=options.results)
    chosen = choose(options)
    part = planned(shard, chosen.corpus, chosen.cells, seconds)
    if not part.cells:
        say(f"shard {shard} has none of the {len(chosen.cells)} chosen cells: nothing is run")
        return 0
    chosen = replace(chosen, cells=part.cells)
    return _run(options, chosen, way, arguments=arguments, shard=part.record, since=since)


def _resume(options: Options, name: str, way: _Way) -> int:
    """Go on with a run. What can be checked without a build is checked first."""
    from harness.run import provenance
    from harness.run.stopped_run import stopped_run

    options_again(options, (), switch="resume")
    with stopped_run(name, root=options.results) as stopped:
        header = stopped.header
        own = options_again(options, header.arguments[1:], switch="resume")
        stopped.check_planned(
            provenance.planned_image(own.kernel.line, choice_of(own.kernel).if_own())
        )
        chosen = choose(replace(own, expression=None), recorded=header.selected or ())
        return _run(own, chosen, way, arguments=header.arguments, stopped=stopped)


def _run_failed(options: Options, name: str, way: _Way) -> int:
    """Run the cells that were not as expected in a run, in a new run."""
    from harness.results.recorded_run import read_run

    options_again(options, (), switch="failed")
    recorded = read_run(name, root=options.results)
    failed = [cell.id for cell, line in recorded.cells.items() if not line.ok]
    count = f"{len(failed)} of the {len(recorded.cells)} cells of {recorded.name}"
    stopped = f" ({recorded.trouble})" if recorded.trouble else ""
    told = f"{count} were not as expected{stopped}"
    if not failed:
        say(told)
        return 0
    own = options_again(options, recorded_words(recorded.header), switch="failed")
    own = replace(own, shard=None, balance=None, since=None, verify_kept=0.0)
    chosen = choose(own, recorded=failed)
    say(f"{told}; {len(chosen.cells)} of them run again")
    arguments = [COMMAND.name, *words_of(own)]
    return _run(own, chosen, way, arguments=arguments, failed_of=recorded.name)


def _run(
    options: Options,
    chosen: Chosen,
    way: _Way,
    *,
    arguments: Sequence[str],
    failed_of: str | None = None,
    shard: ShardRecord | None = None,
    since: Since | None = None,
    stopped: StoppedRun | None = None,
) -> int:
    from harness.brought.digests import digests
    from harness.judge.controls import closure
    from harness.report.text import plan_line

    if way.cluster:
        _check_on(options)  # those of a run that goes on
    jobs = way.cluster.places() if way.cluster else options.jobs
    needed = closure(chosen.corpus, chosen.cells)
    say(plan_line(chosen.cells, needed, jobs=jobs))
    if stopped:
        stopped.read(needed)
        say(f"{stopped.name} has {len(stopped.outcomes)} of these {len(needed)} cells")

    from harness.report.run_report import Extent
    from harness.report.terminal import console
    from harness.run.run_plan import RunPlan, run_plan

    extent = Extent.PROBLEMS if options.only_problems else Extent.FITTING
    own = options.own
    programs = [Path(file) for one in chosen.corpus.scenarios.values() for file in one.files]
    plan = RunPlan(
        line=chosen.kernel.line,
        corpus=chosen.corpus,
        chosen=chosen.cells,
        needed=needed,
        jobs=jobs,
        root=options.results,
        scenario_files=[*own.scenario_files, *own.attacks],
        keep_vmcores=options.keep == "vmcore",
        variant_files=own.variant_files,
        choice=chosen.kernel.choice,
        extent=Extent.MATRIX if options.matrix else extent,
        arguments=arguments,
        brought=digests([*own.scenario_files, *own.attacks, *own.variant_files, *programs]),
        failed_of=failed_of,
        seconds=_seconds(),
        shard=shard,
        since=since,
        stopped=stopped,
        cluster=way.cluster,
        ktap=way.ktap,
    )
    return run_plan(plan, prepare_lab=chosen.kernel.prepare_lab, out=console())


def _seconds() -> Mapping[str, float]:
    """Return what cells took in the kept runs; nothing if they cannot be read."""
    from harness.results.cell_seconds import kept_seconds

    with suppress(UserError, OSError):
        return kept_seconds()
    return {}


COMMAND = Command(
    "run",
    "run scenarios on variants and print the matrix of verdicts",
    "The controls and reference cells of the chosen cells run as well. Exit status: 0 if all "
    "verdicts are as expected, 1 if a verdict is not, 2 if a cell gave no conclusion.",
    Options,
    run,
    examples={
        "run": "run every scenario on every variant",
        "run -k ptrace --variant isolated": "run some attacks on one variant",
        "run --tree ~/src/linux --with-library": "run on your tree and our series",
        "run --resume": "go on with the latest run, which was stopped",
        "run --shard 2/4": "run the second of four parts, each on a machine of its own",
        "run --on tcp://10.0.0.1:8786": "run on the workers of a Dask cluster",
    },
)
