# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness kselftest`: show that isolation changes nothing for processes but the handler."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.kselftest import guest
from harness.kselftest.compare import AFTER, BEFORE, ProgramComparison, compare_programs
from harness.kselftest.guest import MACHINE, Ran
from harness.kselftest.ktap import KtapOutcome
from harness.kselftest.programs import Selftest, chosen, held_against, selftests
from harness.lab.lab import Lab
from harness.results.run_name import new_run_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from harness.kselftest.compare import Results


@dataclass(frozen=True)
class SelftestReport:
    """The result: the programs that ran, those that cannot run, and the folder of the output.

    `modules` has the active security modules of each variant. `lacking` has for each collection
    the kernel options that it asks for and the kernel does not have.
    """

    compared: Sequence[ProgramComparison]
    unable: Sequence[Selftest]
    modules: Mapping[str, str]
    lacking: Mapping[str, Sequence[str]]
    kept: Path


def compare_variants(
    line: str,
    names: Sequence[str],
    *,
    rounds: int,
    jobs: int,
    root: Path,
    progress: Callable[[str], None],
) -> SelftestReport:
    """Run the selftests in `names`, or all of them if `names` is empty, on both variants.

    The output and the results of each program are kept in a folder below `root`. Raises UserError,
    also if no test passes on baseline: two broken guests prove nothing.
    """
    tests = selftests(line, progress=progress)
    named = chosen(tests.programs, names)  # a wrong name is an error before the kernel is built
    lab = Lab.open(line, [BEFORE, AFTER], progress=progress)
    options = lab.image.options
    programs = [held_against(program, options) for program in named]
    kept = root / f"kselftest-{new_run_name()}"

    def run(program: Selftest, variant: str, number: int) -> Results:
        ran = guest.run(lab, variant, program, tests)
        _keep(ran, kept / variant / f"{program.name}-{number}")
        return ran.results

    modules = {variant: guest.security_modules(lab, variant) for variant in (BEFORE, AFTER)}
    able = [program for program in programs if not program.obstacle]
    if not able:
        raise UserError(f"{programs[0].name}: {programs[0].obstacle}", hint="choose other programs")
    compared = compare_programs(able, run, rounds=rounds, jobs=jobs, progress=progress)
    if not passes(compared):
        raise UserError(f"no selftest passes on {BEFORE}", hint=f"see their output in {kept}")
    lacking = {
        name: sorted(tests.options[name] - options)
        for name in dict.fromkeys(program.collection for program in programs)
    }
    return SelftestReport(compared, [p for p in programs if p.obstacle], modules, lacking, kept)


def _keep(ran: Ran, stem: Path) -> None:
    """Write the output and the results of one run of a program, as `stem`.txt and `stem`.json."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_name(f"{stem.name}.txt").write_text(ran.output)
    found = {test: [str(one.outcome), one.reason] for test, one in ran.results.items()}
    stem.with_name(f"{stem.name}.json").write_text(json.dumps(found, indent=1) + "\n")


def passes(compared: Sequence[ProgramComparison]) -> bool:
    """Whether a test passes on the first variant."""
    return any(
        result.outcome is KtapOutcome.PASS
        for one in compared
        for results in one.before
        for test, result in results.items()
        if test != MACHINE
    )
