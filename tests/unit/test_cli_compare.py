# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness compare` as a command: runs of `umd-harness run`, the exit status, bad input."""

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
    page = umd_harness(where, "compare", good, bad, "--format", "markdown", "--output", "m/page.md")
    assert (page.returncode, page.stdout) == (1, "")
    written = (where / "m/page.md").read_text()
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
    ("arguments", "said"),
    [
        (("x", "latest"), "there is no run x"),
        (("latest", "latest", "--output", "results"), "results cannot be written"),
        (("latest", "latest", "--map", "a=b"), "--map names a"),
        (("latest", "latest", "--map", "a"), "is not OLD=NEW"),
        (("latest", "latest", "--fail-on", "better"), "is none of worse, error"),
        (("latest", "latest", "--fail-on", "never,worse"), "never goes with nothing else"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    umd_harness(tmp_path, "run", "-k", "nothing and baseline")
    done = umd_harness(tmp_path, "compare", *arguments)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
