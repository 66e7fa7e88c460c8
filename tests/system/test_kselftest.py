# SPDX-License-Identifier: GPL-2.0-only
"""Selftests in real guests: tests that pass on both variants, and each kind of failure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.host.errors import UserError
from harness.kselftest import guest
from harness.kselftest.command import compare_variants
from harness.kselftest.compare import AFTER, BEFORE, compare_programs
from harness.kselftest.guest import MACHINE
from harness.kselftest.ktap import EXIT, KtapOutcome
from harness.kselftest.programs import Selftest, Selftests
from harness.report.kselftest import has_regression

if TYPE_CHECKING:
    from pathlib import Path

    from harness.kselftest.compare import Results
    from harness.lab.lab import Lab

OWN = Selftest("own/test.sh")


def script(folder: Path, body: str) -> Selftests:
    """A collection of one test, which is a script of ours."""
    path = folder / OWN.name
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\necho 1..1\n{body}\n")
    path.chmod(0o755)
    return Selftests(folder, (OWN,), {})


def test_the_kernels_own_tests_pass_on_both(tmp_path: Path) -> None:
    names = ["pidfd/pidfd_open_test", "ptrace/get_syscall_info", "cgroup/test_cpuset_prs.sh"]
    found = compare_variants(
        "6.12", names, rounds=1, jobs=1, root=tmp_path, progress=lambda _: None
    )
    assert not has_regression(found.compared)
    assert {one.program.name for one in found.compared} == set(names[:2])
    for one in found.compared:
        assert [len(rounds) for rounds in (one.before, one.after)] == [1, 1]
        for results in (*one.before, *one.after):
            assert len(results) > 2
            assert {result.outcome for result in results.values()} == {KtapOutcome.PASS}
    assert [program.obstacle for program in found.unable] == [
        "needs /bin/bash, which a guest does not have"
    ]
    assert all("umd" in modules.split(",") for modules in found.modules.values())
    assert "pidfd" in found.lacking
    for variant in (BEFORE, AFTER):
        output = found.kept / variant / "pidfd" / "pidfd_open_test-1.txt"
        assert "# Totals: pass:3 fail:0" in output.read_text()
        results = json.loads(output.with_suffix(".json").read_text())
        assert results["open a new pidfd test: passed"] == ["pass", ""]


def test_programs_that_cannot_run_are_no_proof(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs /bin/bash, which a guest does not have"):
        compare_variants(
            "6.12",
            ["cgroup/test_stress.sh"],
            rounds=1,
            jobs=1,
            root=tmp_path,
            progress=lambda _: None,
        )


def test_what_isolation_broke_would_be_seen(lab: Lab, tmp_path: Path) -> None:
    tests = script(
        tmp_path,
        "grep -q umd_isolation=on /proc/cmdline && not=not\necho $not ok 1 as ever",
    )

    def run(program: Selftest, variant: str, _: int) -> Results:
        return guest.run(lab, variant, program, tests).results

    compared = compare_programs([OWN], run, rounds=3, jobs=1, progress=lambda _: None)
    [one] = compared
    assert has_regression(compared)
    assert [len(one.before), len(one.after)] == [3, 3]
    assert {results["as ever"].outcome for results in one.before} == {KtapOutcome.PASS}
    assert {results["as ever"].outcome for results in one.after} == {KtapOutcome.FAIL}


def test_a_test_finds_tools_swap_and_its_own_folder(lab: Lab, tmp_path: Path) -> None:
    tests = script(
        tmp_path,
        "grep -q /dev/loop /proc/swaps && [ $(nproc) = 2 ] && [ -x test.sh ] && echo ok 1 all",
    )
    results = guest.run(lab, BEFORE, OWN, tests).results
    assert {name: result.outcome for name, result in results.items()} == dict.fromkeys(
        ("all", EXIT, MACHINE), KtapOutcome.PASS
    )


@pytest.mark.parametrize(
    ("body", "name", "reason"),
    [
        ("exit 3", EXIT, "exit status 3"),
        ("kill -SEGV $$", EXIT, "died of SIGSEGV"),
        ("sleep 1000", EXIT, "it did not end before its deadline"),
        ("/sbin/modprobe livepatch_sample; echo ok 1 a", MACHINE, "tainted the kernel: 0x8000"),
        ("echo c >/proc/sysrq-trigger", MACHINE, "the guest reset itself: Kernel panic"),
    ],
)
def test_no_failure_passes(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, name: str, reason: str
) -> None:
    if "sleep" in body:
        monkeypatch.setattr(guest, "PROGRAM_SECONDS", 10.0)
    ran = guest.run(lab, BEFORE, OWN, script(tmp_path, body))
    assert ran.results[name].outcome is KtapOutcome.FAIL
    assert reason in ran.results[name].reason
