# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness compare` and `table` as commands: what `umd-harness run` kept, and bad input."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from command_line import umd_harness

if TYPE_CHECKING:
    from pathlib import Path

LOST = "{('isolated', 'proc_mem_write'): outcome(Verdict.TAMPERED, '17 wrong replies')}"


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, str, str]:
    """A folder with a run that is as expected, and one in which a cell is lost."""
    names = []
    for script in ("{}", LOST):
        umd_harness(tmp_path, "run", script=script)
        names.append((tmp_path / "results/latest").resolve().name)
    return tmp_path, *names  # type: ignore[return-value] # two names


def test_what_got_worse_fails_and_what_got_better_does_not(two: tuple[Path, str, str]) -> None:
    where, good, bad = two
    done = umd_harness(where, "compare", good, "latest")
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1] == "28 cells: 1 worse, 0 better, 27 the same"
    assert umd_harness(where, "compare", f"results/{bad}", good).returncode == 0
    for kinds, status in (("never", 0), ("error,gone", 0), ("worse", 1), ("gone,changed", 1)):
        done = umd_harness(where, "compare", good, bad, "--fail-on", kinds)
        assert done.returncode == status, kinds


def test_the_formats(two: tuple[Path, str, str]) -> None:
    where, good, bad = two
    page = umd_harness(where, "compare", good, bad, "--format", "markdown", "--output", "page.md")
    assert (page.returncode, page.stdout) == (1, "")
    written = (where / "page.md").read_text()
    assert written.startswith("**28 cells: 1 worse, 0 better, 27 the same**\n")
    assert good in written
    assert bad in written
    value = json.loads(umd_harness(where, "compare", good, bad, "--format", "json").stdout)
    assert value["failed"] == ["6.12-isolated-proc_mem_write"]
    assert (value["old"]["run"], value["new"]["run"]) == (good, bad)


def test_variants_of_one_run(two: tuple[Path, str, str]) -> None:
    where, good, _ = two
    done = umd_harness(where, "compare", good, good, "--map", "isolated=baseline")
    assert done.returncode == 1
    assert "7 cells: 4 worse, 0 better" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ("before latest", 2, "umd-harness: there is no run before: {only}; {hint}\n"),
        ("latest before", 2, "umd-harness: there is no run before: {only}; {hint}\n"),
        ("latest results/latest", 0, "{only}, which is compared with itself; {hint}\n"),
        ("latest latest --map baseline=baseline", 0, ""),
    ],
)
def test_the_only_run_has_no_other(tmp_path: Path, arguments: str, status: int, said: str) -> None:
    umd_harness(tmp_path, "run", "-k", "nothing and baseline")
    only = f"results has only one run, {(tmp_path / 'results/latest').resolve().name}"
    said = said.format(only=only, hint="run the scenarios again to have another")
    done = umd_harness(tmp_path, "compare", *arguments.split())
    assert (done.returncode, done.stderr) == (status, said)


def test_a_run_as_a_table(two: tuple[Path, str, str]) -> None:
    where, _, bad = two
    shown = umd_harness(where, "table", "latest", "--variant", "isolated", "--format", "json")
    assert (shown.returncode, shown.stderr) == (0, "")
    value = json.loads(shown.stdout)
    assert value["run"] == bad
    assert value["all"]["isolated"]["held"] == 3
    page = umd_harness(where, "table", bad, "--format", "markdown", "--output", "page.md")
    assert (page.returncode, page.stdout) == (0, "")
    assert (where / "page.md").read_text().startswith("| attacks | `baseline` |")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("table", "x"), "there is no run x"),
        (("table", "latest", "--variant", "x"), "there is no variant x"),
        (("compare", "x", "latest"), "there is no run x"),
        (("compare", "latest", "latest", "--output", "results"), "results is a directory"),
        (("compare", "latest", "latest", "--output", "absent/x"), "in a directory that does not"),
        (("table", "latest", "--output", "absent/x"), "in a directory that does not exist"),
        (("compare", "latest", "latest", "--map", "a=b"), "--map names a"),
        (("compare", "latest", "latest", "--map", "a"), "is not OLD=NEW"),
        (("compare", "latest", "latest", "--fail-on", "better"), "is no kind; take one of: worse"),
        (
            ("compare", "latest", "latest", "--fail-on", "never,worse"),
            "never goes with nothing else",
        ),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    umd_harness(tmp_path, "run", "-k", "nothing and baseline")
    done = umd_harness(tmp_path, *arguments)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "absent").exists()
