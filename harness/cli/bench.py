# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness bench`: the cost of a cell, of round trips, of a run, of records, of the series."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.bench_handlers import Study
from harness.cli.chosen import choice_of, chosen_kernel
from harness.cli.command import Command
from harness.cli.declare import option, repeated, switch
from harness.cli.options import (
    EXPRESSION_HELP,
    KernelOptions,
    default_jobs,
    kernel_options,
    positive,
    report_output_option,
    results_option,
    rounds_option,
    variant_option,
)
from harness.cli.output import say
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.studies.bench import CellTimes


@dataclass(frozen=True)
class Options:
    """The options of `bench`."""

    rounds: int | None = rounds_option(
        "measurements of each kind and cell (default: 7, at least 7), and how many pairs of "
        "machines for the round trips (default: 15, at least 6) or for --system (default: 6), or "
        "how many machines for --handlers or --fresh (default: 6), at least 6; "
        "--parser-bug takes none",
        None,
    )
    round_trip: bool = switch(
        "--round-trip", help="measure the round trips alone (one to two minutes)"
    )
    handlers: bool = switch(
        "--handlers",
        help="measure instead files in the handlers that parse, and in the kernel's own parsers",
    )
    corpora: tuple[str, ...] = repeated(
        "--corpus",
        convert=str,
        metavar="HANDLER=DIR",
        help="for --handlers: take the files below this folder in place of the six files: "
        "certificates and messages (DER or PEM), OpenPGP keys (binary), packages",
    )
    fresh: bool = switch(
        "--fresh", help="count instead the instructions of a request with a handler of its own"
    )
    parser_bug: bool = switch(
        "--parser-bug",
        help="show instead what a file can do that exploits a parser, in kernel and handler",
    )
    matrix: bool = switch(
        "--matrix",
        help="measure instead what cells cost in a run: seconds, processor, memory and disk, for "
        "1, 2, 4 machines and so on; the time against the number of cells; and two shards",
    )
    expression: str | None = option(
        "-k",
        convert=str,
        default=None,
        metavar="EXPR",
        help=f"for --matrix: {EXPRESSION_HELP} (default: eight attacks of different classes)",
    )
    variants: tuple[str, ...] = variant_option(
        "for --matrix: take this variant, and the controls that it needs (default: baseline, "
        "isolated and kthread)"
    )
    jobs: int = option(
        "--jobs",
        convert=positive,
        default=default_jobs(),
        metavar="N",
        help="for --matrix: the most machines that run at a time (default: the number of "
        "processors)",
    )
    system: bool = switch(
        "--system",
        help="count instead the instructions of common operations, such as fork and open, on the "
        "stock kernel and on that with the series; no driver runs; builds both",
    )
    records: str | None = option(
        "--records",
        convert=str,
        default=None,
        metavar="RUN",
        help="measure instead the work with the records of many cells: this run, named by its "
        "folder, its name or `latest`, is made larger; needs no kernel (default: measure cells and "
        "round trips)",
    )
    enlarged_to: int = option(
        "--enlarged-to",
        convert=positive,
        default=100_000,
        metavar="N",
        help="how many cells --records makes of the run (default: 100000)",
    )
    output: Path | None = report_output_option(
        "write to this file as well, as JSON (default: print only)"
    )
    results: Path = results_option()
    kernel: KernelOptions = kernel_options()


def run(options: Options) -> int:
    """Measure, and print the figures. Raises UserError."""
    from harness.host.output_paths import check_output_file

    if options.corpora and not options.handlers:
        raise UserError("--corpus is for --handlers", hint="add --handlers, or leave out --corpus")
    if options.output:
        check_output_file(options.output)
    if options.records is not None:
        return _records(options, options.records)
    if options.system:
        return _system(options)
    if options.matrix:
        return _matrix(options)
    study = Study(options.kernel, options.output)
    if options.handlers:
        return study.handlers(options.rounds, options.corpora)
    if options.fresh:
        return study.fresh(options.rounds)
    if options.parser_bug:
        return study.parser_bug()
    return _cells(options)


def _records(options: Options, name: str) -> int:
    from harness.report.terminal import console, progress_line
    from harness.results.bench_figures import FIGURES_SCHEMA, RecordsFigures
    from harness.results.recorded_run import read_run
    from harness.scenarios.corpus import SHIPPED
    from harness.studies.figures import write_struct
    from harness.studies.growth import growth

    kept = read_run(name, root=options.results)
    # The same disk, so that evidence can have further names.
    with progress_line(console()) as progress, _scratch(kept.path.parent) as folder:
        measured = growth(
            kept,
            SHIPPED.with_handler(kept.header.handler),
            cells=options.enlarged_to,
            folder=folder,
            progress=progress,
        )
        progress("records: removing the copies")
    for one in measured:
        say(str(one))
    if options.output:
        work = tuple(one.figures() for one in measured)
        write_struct(
            options.output, RecordsFigures(schema=FIGURES_SCHEMA, run=kept.name, work=work)
        )
    return 0


def _matrix(options: Options) -> int:
    from harness.judge.cells import all_cells
    from harness.judge.controls import variants_needed
    from harness.judge.selection import select
    from harness.report.terminal import console, progress_line
    from harness.results.bench_figures import FIGURES_SCHEMA
    from harness.results.matrix_figures import MatrixFigures
    from harness.scenarios.corpus import SHIPPED
    from harness.studies import matrix_cost as study
    from harness.studies.cut_short import kept
    from harness.studies.figures import write_study

    asked = all_cells(SHIPPED, choice_of(options.kernel).line, options.variants or study.VARIANTS)
    cells = select(SHIPPED, asked, options.expression or study.EXPRESSION)
    repeated = study.repeated(SHIPPED, cells, study.TIMES)
    variants = variants_needed(SHIPPED, cells)
    kernel = chosen_kernel(options.kernel, repeated.corpus, variants)
    options.results.mkdir(parents=True, exist_ok=True)
    with (
        progress_line(console()) as progress,
        kernel.prepare_lab(kernel.line, variants, progress) as opened,
        _scratch(options.results) as folder,
    ):
        bench = study.MatrixBench(
            opened.lab, repeated, folder, progress, study.job_numbers(options.jobs)
        )
        found, cut = kept(bench.measure)
    for line in found.lines():
        say(line)
    if options.output:
        figures = MatrixFigures(
            schema=FIGURES_SCHEMA,
            line=kernel.line,
            facts=opened.facts,
            cells=tuple(cell.id for cell in repeated.first),
            jobs=found.jobs,
            growth=found.growth,
            shards=found.shards,
        )
        write_study(options.output, figures, cut)
    if cut:
        raise cut
    return 0


@contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    """Yield a folder in `root`, and remove it. Raises UserError if `root` cannot be written."""
    from tempfile import TemporaryDirectory

    from harness.results.run_directory import writable

    with (
        writable(root),
        TemporaryDirectory(dir=root, prefix=".bench-", ignore_cleanup_errors=True) as folder,
    ):
        yield Path(folder)


def _system(options: Options) -> int:
    from functools import partial

    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.lab.images import plain_images
    from harness.lab.instruction_clock import counting_spec, instruction_clock
    from harness.lab.lab import Lab
    from harness.report.terminal import console, progress_line
    from harness.results.bench_figures import FIGURES_SCHEMA
    from harness.results.system_figures import SystemFigures
    from harness.run.provenance import facts_of_lab
    from harness.studies import system_cost as study
    from harness.studies.cut_short import kept
    from harness.studies.figures import write_study
    from harness.studies.round_trip import check_pairs
    from harness.vm.probe import accelerator, watching

    line = options.kernel.line
    if choice_of(options.kernel) != KernelChoice(line=line):
        raise UserError(
            "--system compares the kernels of a line, not one of your own",
            hint="name the line alone, with --line",
        )
    pairs = options.rounds or study.PAIRS
    check_pairs(pairs)
    chosen = watching(accelerator())
    with progress_line(console()) as progress:
        images = {
            name: plain_images(line, is_stock=name == study.STOCK, progress=progress)
            for name in (study.STOCK, study.SERIES)
        }
        starters = [
            partial(instruction_clock, counting_spec(f"{line}-{name}", made), made, chosen)
            for name, made in images.items()
        ]
        found, cut = kept(lambda: study.system_cost(*starters, pairs=pairs, progress=progress))
    for operation in found:
        say(str(operation))
    if options.output:
        figures = SystemFigures(
            schema=FIGURES_SCHEMA,
            line=line,
            facts=facts_of_lab(Lab(line, {"": images[study.SERIES]}, chosen)),
            stock_image=images[study.STOCK].kernel.key,
            operations=tuple(operation.figures() for operation in found),
        )
        write_study(options.output, figures, cut)
    if cut:
        raise cut
    return 1 if any(operation.is_within is False for operation in found) else 0


def _cells(options: Options) -> int:
    from harness.report.terminal import console, progress_line
    from harness.scenarios.corpus import SHIPPED
    from harness.studies.bench import CELLS, REPEAT, bench, check_repeat
    from harness.studies.cut_short import kept
    from harness.studies.figures import write_figures
    from harness.studies.round_trip import BASELINE, ISOLATED, PAIRS, check_pairs, round_trip

    repeat, pairs = options.rounds or REPEAT, options.rounds or PAIRS
    if not options.round_trip:
        check_repeat(repeat)
    check_pairs(pairs)
    variants = [BASELINE, ISOLATED, *(variant for variant, _ in CELLS if not options.round_trip)]
    kernel = chosen_kernel(options.kernel, SHIPPED, variants)
    with (
        progress_line(console()) as progress,
        kernel.prepare_lab(kernel.line, variants, progress) as opened,
    ):
        trips, cut = kept(lambda: round_trip(opened.lab, pairs=pairs, progress=progress))
        cells: list[CellTimes] = []
        if not (options.round_trip or cut):
            cells, cut = kept(
                lambda: bench(opened.lab, line=kernel.line, repeat=repeat, progress=progress)
            )
    for measured in (*cells, trips):
        say(str(measured))
    if options.output:
        write_figures(
            options.output,
            line=kernel.line,
            facts=opened.facts,
            round_trip=trips,
            cells=cells,
            cut=cut,
        )
    if cut:
        raise cut
    return 1 if trips.is_within is False else 0


COMMAND = Command(
    "bench",
    "measure the time of a cell, and the cost of isolation for a round trip to the handler",
    "A cell is timed from the saved state and with a boot of its own. A round trip of 4 KiB is "
    "timed on `isolated` and on `baseline`. Exit status: 1 if the whole confidence "
    "interval of the ratio of the round trips, or of an operation of --system, is above its limit, "
    "else 0.",
    Options,
    run,
    examples={
        "bench --round-trip": "measure the cost of isolation in a minute or two",
        "bench --matrix --jobs 4": "measure cells with 1, 2 and 4 machines at a time",
        "bench --handlers --corpus x509=certificates": "time the parsers with your own files",
        "bench --system": "count what the series costs those who run no driver",
        "bench --records latest": "measure reports and merge of 100000 cells made of the last run",
        "bench -n 15 --output figures.json": "keep the figures, for `export --bench`",
    },
)
