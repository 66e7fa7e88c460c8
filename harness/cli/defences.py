# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness defences`: what each defence holds, and which of them are enough."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec import structs

from harness.brought.options import Brought, corpus_with
from harness.cli.campaign import SIZE, a_time, seconds_of
from harness.cli.chosen import chosen_kernel
from harness.cli.command import Command
from harness.cli.declare import choice, option, repeated, switch, words_of
from harness.cli.options import (
    KernelOptions,
    jobs_option,
    kernel_options,
    report_output_option,
    results_option,
)
from harness.cli.output import say
from harness.host.errors import UserError
from harness.host.suggestion import hint_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.campaign.program import Program
    from harness.lab.lab import Lab
    from harness.results.defence_summary import DefenceSummary, Rediscovered

_GOALS = ("integrity", "availability", "all")


@dataclass(frozen=True)
class Options:
    """The options of `defences`."""

    without: tuple[str, ...] = repeated(
        "--without",
        convert=str,
        metavar="NAME",
        help="switch off this defence only (default: each in turn)",
    )
    enough: str | None = choice(
        "--enough",
        choices=_GOALS,
        default=None,
        help="search for the smallest sets of defences with which an attack takes integrity, "
        "availability or any loss only if a kernel thread loses it as well (default: no search)",
    )
    round_trips: bool = switch(
        "--round-trips",
        help="count the instructions that each defence costs a round trip to the handler (about "
        "ten minutes)",
    )
    rediscover: str | None = option(
        "--rediscover",
        convert=a_time,
        default=None,
        metavar="TIME",
        help="leave out each defence in turn, and run a campaign for at most this time, such as "
        "10min or 1h, until a finding counts (default: no campaigns)",
    )
    start_from: str | None = option(
        "--start-from",
        convert=str,
        default=None,
        metavar="RUN",
        help="with --rediscover, start from the attacks of this kept run; those that win without "
        "the defence are left out, as measured in the file that --output names (default: start "
        "without attacks)",
    )
    output: Path | None = report_output_option(
        "add what is found to this file, such as docs/runs/defences.json (default: none)"
    )
    jobs: int = jobs_option()
    results: Path = results_option()
    kernel: KernelOptions = kernel_options()


def run(options: Options) -> int:
    """Print what each defence holds or costs, or which are enough. Raises UserError.

    Return 2 if a cell gave no conclusion.
    """
    from harness.host.output_paths import check_output_file, check_results_root
    from harness.judge.parity import REFERENCE, SUBJECT
    from harness.lab.lab import Lab
    from harness.report.terminal import console, progress_line
    from harness.results.defence_summary import DefenceSummary, read_defences
    from harness.scenarios.corpus import SHIPPED
    from harness.studies.defences import DEFENCES

    if unknown := sorted(set(options.without) - set(DEFENCES)):
        hint = hint_for(unknown[0], DEFENCES)
        raise UserError(f"there is no defence {unknown[0]!r}", hint=hint)
    if options.without and (options.enough or (options.output and not options.rediscover)):
        raise UserError("--enough and --output are about all defences", hint="leave out --without")
    studies = {
        "--enough": options.enough,
        "--round-trips": options.round_trips,
        "--rediscover": options.rediscover,
    }
    if len(chosen := [name for name, value in studies.items() if value]) > 1:
        raise UserError(f"{' and '.join(chosen)} cannot be combined", hint="give one of them")
    if options.start_from and not options.rediscover:
        raise UserError("--start-from works only with --rediscover", hint="give both")
    summary = DefenceSummary()
    if options.output is not None:
        check_output_file(options.output)
        summary = read_defences(options.output) if options.output.exists() else summary
    check_results_root(options.results)
    if options.rediscover:
        return _rediscover(options, summary)
    variants = [SUBJECT, REFERENCE] if options.enough else [SUBJECT]
    kernel = chosen_kernel(options.kernel, SHIPPED, variants)
    with progress_line(console()) as progress:
        lab = Lab.open(kernel.line, variants, progress=progress, choice=kernel.choice)
        study = _enough if options.enough else _round_trips if options.round_trips else _each
        return study(options, lab, summary, progress)


def _folder(options: Options, lab: Lab) -> Path:
    """Return the folder of the study: the same for the same kernel and the same code."""
    from harness.run.code import code_digest

    return options.results / f"defences-{lab.image.key[:12]}-{code_digest()[:12]}"


def _each(
    options: Options, lab: Lab, summary: DefenceSummary, progress: Callable[[str], None]
) -> int:
    """Switch off each defence, and print what wins without it."""
    from harness.report.text import visible
    from harness.results.defence_summary import Alone
    from harness.results.run_directory import RunDirectory
    from harness.scenarios.corpus import SHIPPED
    from harness.studies.defence_sets import ALL, KeptRunner, name_of
    from harness.studies.defences import DEFENCES, held_cells, markdown, what_each_buys

    folder, cells = _folder(options, lab), held_cells(SHIPPED, lab.line)
    folder.mkdir(parents=True, exist_ok=True)
    bought = what_each_buys(
        lambda defence: KeptRunner(
            replace(lab, without=(defence,)),
            RunDirectory.create(folder, name_of(ALL - {defence})),
            SHIPPED,
        ),
        SHIPPED,
        cells,
        defences=options.without or tuple(DEFENCES),
        jobs=options.jobs,
        progress=progress,
    )
    say(markdown(bought, cells))
    for one in bought:
        for name, why in one.broken.items():
            say(visible(f"without {one.defence}: {name}: error: {why}"))
    alone = Alone(
        line=lab.line,
        image=lab.image.key,
        attacks=tuple(cell.scenario for cell in cells),
        won={one.defence: one.lost for one in bought},
    )
    _write(options, structs.replace(summary, alone=alone))
    return 2 if any(one.broken for one in bought) else 0


def _enough(
    options: Options, lab: Lab, summary: DefenceSummary, progress: Callable[[str], None]
) -> int:
    """Search for the smallest sets that are enough, and print them."""
    from harness.report.text import visible
    from harness.scenarios.corpus import SHIPPED
    from harness.studies.defence_sets import DefenceSets
    from harness.studies.enough import Search, summed_up, told

    goal = str(options.enough)
    folder = _folder(options, lab)
    sets = DefenceSets(
        SHIPPED,
        lab.line,
        lambda off: replace(lab, without=off),
        folder,
        jobs=options.jobs,
        progress=progress,
    )
    likely = {name: list(won) for name, won in summary.alone.won.items()} if summary.alone else {}
    found = Search(sets, goal, likely=likely, say=say).run()
    for line in told(found):
        say(line)
    for name, why in sets.broken.items():
        say(visible(f"{name}: error: {why}"))
    say(f"results: {visible(str(folder))}")
    if found.sets:
        new = summed_up(found, sets, image=lab.image.key)
        _write(options, structs.replace(summary, enough={**summary.enough, goal: new}))
    if sets.broken or not found.sets:
        return 2
    return 0 if found.confirmed else 1


def _round_trips(
    options: Options, lab: Lab, summary: DefenceSummary, progress: Callable[[str], None]
) -> int:
    """Count what each defence costs a round trip, and print that."""
    from harness.results.defence_summary import (
        DefenceSummary,
        RoundTrips,
        read_defences,
        write_defences,
    )
    from harness.studies.defence_trips import TRIPS, what_each_costs
    from harness.studies.defences import DEFENCES

    file = _folder(options, lab) / "round-trips.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    found = read_defences(file).round_trips if file.exists() else None
    found = found or RoundTrips(line=lab.line, image=lab.image.key, trips=TRIPS)
    wanted = options.without or tuple(DEFENCES)
    labs = {name: replace(lab, without=(name,)) for name in wanted if name not in found.without}
    for name, count in what_each_costs(lab, labs, known=len(found.whole), progress=progress):
        found = found.with_count(name, count)
        write_defences(file, DefenceSummary(round_trips=found))
    for name in wanted:
        count = found.without[name]
        say(f"{name:<10} {count:>7} instructions without, {found.cost(name):+.1%} with")
    say(f"{len(found.whole)} machines with all defences differ by up to {found.spread:.1%}")
    _write(options, structs.replace(summary, round_trips=found))
    return 0


def _rediscover(options: Options, summary: DefenceSummary) -> int:
    """Search without each defence, and print what was found."""
    from harness.campaign.campaign import Settings
    from harness.campaign.search import Limits
    from harness.judge.parity import SUBJECT
    from harness.lab.lab import Lab
    from harness.report.terminal import console, progress_line
    from harness.studies.defences import DEFENCES
    from harness.studies.rediscovery import (
        Rediscovery,
        campaign_digest,
        markdown,
        variant_files,
        variant_without,
    )

    seconds = seconds_of(str(options.rediscover))
    wanted = options.without or tuple(DEFENCES)
    run, seeds = _seeds(options, summary, wanted)
    folder = options.results / f"rediscovery-{campaign_digest(seeds)[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    files = variant_files(folder, wanted)
    corpus = corpus_with(Brought(), tuple(files.values()))
    variants = [*map(variant_without, wanted), SUBJECT]
    kernel = chosen_kernel(options.kernel, corpus, variants)
    if options.start_from and summary.alone and summary.alone.line != kernel.line:
        raise UserError(
            f"{options.output} says what wins on {summary.alone.line}, and not on {kernel.line}",
            hint="leave out --start-from, or measure the defences on this line first",
        )
    measured = _measured(options, summary, kernel.line, minutes=seconds / 60)
    settings = Settings(
        variant=SUBJECT,
        reference=SUBJECT,
        seed=f"jobs{options.jobs}",
        size=SIZE,
        jobs=options.jobs,
        limits=Limits(seconds),
        resume=False,
        words=tuple(words_of(options.kernel)),
    )
    found = {}
    with progress_line(console()) as progress:
        lab = Lab.open(
            kernel.line, variants, progress=progress, choice=kernel.choice, corpus=corpus
        )
        study = Rediscovery(lab, folder, files, settings, say=say, progress=progress)
        for name in wanted:
            found[name], stopped = study.search(name, seeds[name])
            if stopped:
                say("stopped; the same command goes on")
                return 128 + stopped
            if found[name].programs:
                new = structs.replace(found[name], image=lab.image.key, seed_run=run)
                measured = measured.with_result(name, new)
                _write(options, structs.replace(summary, rediscovered=measured))
    say(markdown(found))
    say(f"results: {folder}")
    return 0 if all(one.programs for one in found.values()) else 2


def _measured(
    options: Options, summary: DefenceSummary, line: str, *, minutes: float
) -> Rediscovered:
    """Return the results that --output names, to add to. Raises UserError if they are of other
    conditions.
    """
    from harness.results.defence_summary import Rediscovered

    old = summary.rediscovered
    new = Rediscovered(
        line=line, minutes=minutes, jobs=options.jobs, has_seeds=bool(options.start_from)
    )
    if old is None:
        return new
    if not new.can_add_to(old):
        raise UserError(
            f"{options.output} has campaigns on {old.line}, of {old.minutes:g} minutes with --jobs "
            f"{old.jobs}, {'with' if old.has_seeds else 'without'} --start-from",
            hint="measure the same, or name another file with --output",
        )
    return old


def _seeds(
    options: Options, summary: DefenceSummary, defences: Sequence[str]
) -> tuple[str, dict[str, tuple[Program, ...]]]:
    """Return the name of the run to start from, and its programs for each missing defence.

    These are the run's attacks, except those that the defence alone holds.
    """
    from harness.campaign.seeds import seeds_of
    from harness.results.recorded_run import read_run

    if options.start_from is None:
        return "", dict.fromkeys(defences, ())
    if summary.alone is None:
        raise UserError(
            "--start-from needs the measured attacks that win without each defence",
            hint="name the file that has them with --output, such as docs/runs/defences.json",
        )
    if missing := sorted(set(defences) - summary.alone.won.keys()):
        raise UserError(
            f"{options.output} does not say what wins without {', '.join(missing)}",
            hint="write it again: umd-harness defences --output FILE",
        )
    run, won = read_run(options.start_from, root=options.results), summary.alone.won
    return run.path.name, {name: seeds_of(run, without=won[name]) for name in defences}


def _write(options: Options, summary: DefenceSummary) -> None:
    """Write the file of what was found, if the user named one. Raises UserError."""
    from harness.results.defence_summary import write_defences

    if options.output is not None:
        try:
            write_defences(options.output, summary)
        except OSError as error:
            raise UserError(
                f"{options.output} cannot be written: {error.strerror}",
                hint="name another file with --output",
            ) from error


COMMAND = Command(
    "defences",
    "list what each defence of `isolated` holds or costs, search for the smallest sets that are "
    "enough, or for the ways in that a missing defence opens",
    "The list is Markdown. A round trip is counted on a machine with the defence and on a machine "
    "without it. Outcomes are kept below --results: the same command goes on where it "
    "stopped, as long as kernel and code are the same. --rediscover goes on as long as "
    "--jobs and --start-from are the same as well. Exit status: 2 if a cell or a whole campaign "
    "gave no conclusion, 1 if what --enough found was not confirmed, 128 + N after signal N, "
    "else 0.",
    Options,
    run,
    examples={
        "defences": "switch off each defence in turn",
        "defences --without access": "switch off a single defence",
        "defences --round-trips": "count what each defence costs",
        "defences --rediscover 1h": "see whether a campaign finds what each defence holds",
        "defences --enough integrity": "search for the smallest sets that keep integrity",
        "defences --enough all --output docs/runs/defences.json": "keep what is found for the site",
    },
)
