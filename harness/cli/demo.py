# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness demo`: one attack on three variants, and what the verdicts mean."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cli.command import Command
from harness.cli.options import jobs_option, results_option
from harness.cli.output import say

if TYPE_CHECKING:
    from pathlib import Path

_INTRODUCTION = (
    "The demo boots three variants of a Linux kernel in QEMU. On each, root overwrites the memory",
    "of a user mode driver through /proc/<pid>/mem. Then the host draws the verdict.",
)
_IS_BUILT = "The kernel is in the cache, so the demo takes about a minute."
_IS_NOT_BUILT = (
    "First it builds the kernel, in one configuration. That takes up to 20 minutes on two cores;",
    "this machine has {cores}. It happens once: the kernel is kept in {cache}.",
    "The attacks then take about a minute. After Ctrl-C, the same command goes on.",
)
_NEXT = "Next: `{run}` makes every attack on each variant."


@dataclass(frozen=True)
class Options:
    """The options of `demo`."""

    results: Path = results_option()
    jobs: int = jobs_option()


def run(options: Options) -> int:
    """Run the attack and explain the verdicts. Raises UserError."""
    from harness.host.output_paths import check_results_root

    check_results_root(options.results)
    for line in _INTRODUCTION:
        say(line)

    from functools import partial

    from harness.judge.controls import closure
    from harness.kernel.series.lines import DEFAULT_LINE
    from harness.model.cell import Cell
    from harness.report.demo import ATTACK, NOT_AS_EXPECTED, VARIANTS, meaning
    from harness.report.terminal import console
    from harness.report.text import run_command
    from harness.results.recorded_run import read_run
    from harness.results.run_name import new_run_name
    from harness.run import provenance
    from harness.run.run_plan import RunPlan, run_plan
    from harness.scenarios.corpus import SHIPPED

    _say_how_long(DEFAULT_LINE)
    chosen = [Cell(DEFAULT_LINE, variant, ATTACK) for variant in VARIANTS]
    plan = RunPlan(
        line=DEFAULT_LINE,
        corpus=SHIPPED,
        chosen=chosen,
        needed=closure(SHIPPED, chosen),
        jobs=options.jobs,
        root=options.results,
        name=new_run_name(),
    )
    status = run_plan(
        plan, prepare_lab=partial(provenance.prepare_lab, corpus=SHIPPED), out=console()
    )
    if status == 0:
        kept = read_run(plan.name, root=options.results)
        say("\n".join(("", *meaning(kept.cells.values()), _NEXT.format(run=run_command()))))
    elif status in (1, 2):
        say(NOT_AS_EXPECTED)
    return status


def _say_how_long(line: str) -> None:
    """Say whether the kernel has to be built, before it is."""
    from harness.host.paths import cache_dir
    from harness.kernel.build.build import image_key
    from harness.kernel.build.images import find_image

    if find_image(line, image_key(line), cache=cache_dir()):
        say(_IS_BUILT)
        return
    for text in _IS_NOT_BUILT:
        say(text.format(cores=len(os.sched_getaffinity(0)), cache=cache_dir()))


COMMAND = Command(
    "demo",
    "run one attack on three variants, and explain the verdicts",
    "The attack is proc_mem_write. The variants are baseline, isolated and kthread. Their kernel "
    "is built if it is not in the cache.",
    Options,
    run,
    examples={
        "demo": "see what the harness does",
        "demo --results ~/runs": "keep the results elsewhere",
    },
)
