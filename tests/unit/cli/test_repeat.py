# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness repeat` on a disk that fills: it ends with one line, and what is kept is whole."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Any

import pytest
from harness_process import small_disk

from harness.host.errors import UserError
from harness.results.run_directory import RunDirectory, writable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from command_here import Here

__all__ = ["small_disk"]

pytest_plugins = ["command_here"]

TIMES = 30
WORDS = ("repeat", "-k", "proc_mem_write", "--variant", "isolated", "-n", str(TIMES))
FULL = "No space left on device"


def check_readable(here: Here, study: Path) -> int:
    """Have each command read the repetitions that have ended; return how many there are."""
    ended = [path.parent for path in sorted(study.glob("0*/report.html"))]
    first, last = ended[0], ended[-1]
    assert here.command("compare", str(first), str(last)) == 0, here.error
    assert " 0 worse, 0 better" in here.out
    assert here.command("table", str(last)) == 0, here.error
    assert here.command("show", str(last), "isolated-proc_mem_write") == 0, here.error
    return len(ended)


def test_a_disk_that_fills_ends_the_study_with_one_line(
    here: Here, small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(1024)
    assert here.command(*WORDS, "--results", str(disk / "results")) == 2
    (line,) = here.error.splitlines()
    assert line.startswith("umd-harness: ")
    assert FULL in line
    assert "; free some space" in line
    (times,) = re.findall(r"^6\.12-isolated-proc_mem_write: (\d+) x held$", here.out, re.MULTILINE)
    (study,) = (disk / "results").glob("2*")
    assert 0 < check_readable(here, study) <= int(times) < TIMES, "it has ended early"


def test_a_time_whose_header_cannot_be_written_is_none(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest run is the one before, which can be read."""
    plain = RunDirectory.write_header

    def write_header(run: RunDirectory, facts: Mapping[str, Any]) -> None:
        if run.path.name == "003":
            raise OSError(errno.ENOSPC, FULL)
        plain(run, facts)

    monkeypatch.setattr(RunDirectory, "write_header", write_header)
    assert here.command(*WORDS) == 2
    (study,) = (here.folder / "results").glob("2*")
    assert here.error == (
        "umd-harness: the results of time 3 could not be written to "
        f"{study.relative_to(here.folder)}: {FULL}; free some space (`umd-harness clean` empties "
        "the cache), then try again; the times before it are kept, and can be read\n"
    )
    assert sorted(path.name for path in study.iterdir()) == ["001", "002", "latest"]
    assert check_readable(here, study) == 2


def test_a_full_disk_is_told_from_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    for number, hint in ((errno.ENOSPC, "free some space"), (errno.EACCES, "make that folder")):
        with pytest.raises(UserError) as told, writable(tmp_path):
            raise OSError(number, "no")
        assert told.value.hint.startswith(hint)
