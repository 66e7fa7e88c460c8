# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness campaign`: a search by program for attacks that nobody has written."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.brought.options import Brought, corpus_with
from harness.cli.chosen import chosen_kernel
from harness.cli.command import Command
from harness.cli.declare import option, repeated, switch, words_of
from harness.cli.options import (
    SHIPPED_VARIANTS,
    KernelOptions,
    jobs_option,
    kernel_options,
    positive,
    results_option,
    variant_files_option,
)
from harness.cli.output import say
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.campaign.finding import Finding
    from harness.campaign.known import KnownAttack

_UNITS = {"s": 1, "min": 60, "h": 3600}
SIZE = 32
_SIZE_MAX = 256
_SEED = re.compile(r"[A-Za-z0-9]{1,32}")


def a_time(text: str) -> str:
    """Check a time such as 90s, 10min or 1h."""
    if not seconds_of(text):
        raise argparse.ArgumentTypeError(f"{text} is not a time; for example 90s, 10min or 1h")
    return text


def seconds_of(text: str) -> int:
    """Return a time in seconds; 0 if it is not a time."""
    found = re.fullmatch(r"(\d{1,6})(s|min|h)", text)
    return int(found[1]) * _UNITS[found[2]] if found else 0


def a_seed(text: str) -> str:
    """Convert a seed, which is part of a folder's name."""
    if not _SEED.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a seed; take up to 32 letters and digits"
        )
    return text


def a_size(text: str) -> int:
    """Convert the size of a batch."""
    size = positive(text)
    if size > _SIZE_MAX:
        raise argparse.ArgumentTypeError(f"{text} is too much; a batch has at most {_SIZE_MAX}")
    return size


@dataclass(frozen=True)
class Options:
    """The options of `campaign`."""

    time: str = option(
        "--for",
        convert=a_time,
        default="1h",
        metavar="TIME",
        help="how long to search, such as 90s, 10min or 1h; what has been found then is still "
        "investigated (default: 1h)",
    )
    variant: str = option(
        "--variant",
        convert=str,
        default="isolated",
        metavar="VARIANT",
        help=f"the variant to attack (default: isolated); {SHIPPED_VARIANTS}",
    )
    variant_files: tuple[Path, ...] = variant_files_option()
    seed: str = option(
        "--seed",
        convert=a_seed,
        default="1",
        metavar="SEED",
        help="letters and digits; the same seed makes the same programs (default: 1)",
    )
    resume: bool = switch("--resume", help="go on with this campaign where it stopped")
    seeds: tuple[str, ...] = repeated(
        "--seeds",
        convert=str,
        metavar="RUN",
        help="start from the calls of the attacks of this kept run as well, or from the programs "
        "that a campaign kept and found: the folder of either "
        "(default: from the types of the system calls alone)",
    )
    known: str | None = option(
        "--known",
        convert=str,
        default=None,
        metavar="RUN",
        help="at the end, print for each class of attacks how many of those that won on the "
        "variant in this kept run the campaign has found (default: no such table)",
    )
    size: int = option(
        "--batch",
        convert=a_size,
        default=SIZE,
        metavar="N",
        help=f"how many programs a machine runs before its aftermath (default: {SIZE})",
    )
    findings: int | None = option(
        "--findings",
        convert=positive,
        default=None,
        metavar="N",
        help="stop after so many findings that spare a kernel thread (default: never)",
    )
    batches: int | None = option(
        "--batches",
        convert=positive,
        default=None,
        metavar="N",
        help="stop after so many batches, with those of an earlier part (default: never)",
    )
    jobs: int = jobs_option()
    results: Path = results_option()
    kernel: KernelOptions = kernel_options()


def run(options: Options) -> int:
    """Search, and print what was found. Raises UserError.

    Return 1 if something was found that spares a kernel thread, and 128 + N after signal N.
    """
    from harness.campaign.campaign import Campaign, Settings
    from harness.campaign.known import found_again, told
    from harness.campaign.page import write_campaign_page
    from harness.campaign.search import Limits
    from harness.campaign.seeds import named_seeds
    from harness.host.output_paths import check_results_root
    from harness.judge.cells import check_variants
    from harness.judge.parity import REFERENCE
    from harness.lab.lab import Lab
    from harness.report.terminal import console, progress_line

    corpus = corpus_with(Brought(), options.variant_files)
    variants = list(dict.fromkeys((options.variant, REFERENCE)))
    check_variants(corpus, variants)
    seeds = named_seeds(options.seeds, root=options.results)
    known = _known(options)
    check_results_root(options.results)
    kernel = chosen_kernel(options.kernel, corpus, variants)
    settings = Settings(
        options.variant,
        REFERENCE,
        options.seed,
        options.size,
        options.jobs,
        Limits(seconds_of(options.time), options.batches, options.findings),
        options.resume,
        words=_words(options),
        seeds=seeds,
    )
    with progress_line(console()) as progress:
        lab = Lab.open(
            kernel.line, variants, progress=progress, choice=kernel.choice, corpus=corpus
        )
        campaign = Campaign(lab, settings, options.results, say=say)
        findings = campaign.run(progress)
    _say_end(campaign.counts.programs, findings, campaign.path)
    if known:
        for line in told(found_again(findings, known), known):
            say(line)
    try:
        say(f"page: {write_campaign_page(campaign.path)}")
    except OSError as error:
        raise UserError(
            f"the page of {campaign.path} cannot be written: {error.strerror}",
            hint="the findings are kept; correct the cause, then --resume writes the page",
        ) from error
    if campaign.signal:
        say("stopped; the same command with --resume goes on")
        return 128 + campaign.signal
    return int(any(finding.counts for finding in findings))


def _known(options: Options) -> list[KnownAttack]:
    """Return the attacks to look for among the findings. Raises UserError."""
    from harness.campaign.known import known_attacks
    from harness.results.recorded_run import read_run

    if options.known is None:
        return []
    if known := known_attacks(read_run(options.known, root=options.results), options.variant):
        return known
    raise UserError(
        f"no attack with recorded calls won on {options.variant} in {options.known}",
        hint=f"name a run that has the variant: umd-harness run --variant {options.variant}",
    )


def _words(options: Options) -> tuple[str, ...]:
    """Return the options that make a finding again."""
    files = [word for path in options.variant_files for word in ("--variant-file", str(path))]
    return (*files, "--variant", options.variant, *words_of(options.kernel))


def _say_end(programs: int, findings: Sequence[Finding], path: Path) -> None:
    counted = sum(finding.counts for finding in findings)
    unsure = sum(not finding.is_sure for finding in findings)
    say(
        f"programs: {programs}; findings: {len(findings)}, of which a kernel thread is safe from "
        f"{counted}; not lost again each time: {unsure}"
    )
    say(f"results: {path}")


COMMAND = Command(
    "campaign",
    "search for attacks by program: typed system calls, judged by the witness",
    "Machines run batches of small programs that are made from the types of the kernel's system "
    "calls. What the witness says was lost is reduced to the smallest program, made again three "
    "times, compared with a kernel thread, and written below --results as a C program and as a "
    "scenario. Exit status: 1 if something was found that spares a kernel thread, else 0.",
    Options,
    run,
    examples={
        "campaign --for 10min": "search ten minutes for a way into `isolated`",
        "campaign --for 8h --seed night --resume": "go on with the campaign of that seed",
        "campaign --variant baseline --findings 5": "see what findings look like",
        "campaign --variant baseline --for 4h --known latest": "count the known attacks it finds",
    },
)
