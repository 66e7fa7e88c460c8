# SPDX-License-Identifier: GPL-2.0-only
"""The run-time probe: what it writes, and how it tells what moved."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tallies import AFTER

from harness.surface.probe import (
    BATCH,
    Moved,
    Probed,
    _batches,
    _changed,
    _changes,
    _moved,
    writable,
)
from harness.surface.report import judge_moved, probe_report
from harness.surface.review import EntryState
from harness.witness.tally import Violation


@pytest.mark.parametrize(
    ("value", "changed"),
    [
        (b"0", b"1"),
        (b"1", b"0"),
        (b"100", b"101"),
        (b"-17", b"-16"),
        (b"32000\t1024000", b"32001\t1024000"),
        (b"max 100000", b"max 100001"),
        (b"max", b"1073741824"),
        (b"core", b"corex"),
        (b"", b"x"),
    ],
)
def test_a_change_is_a_small_one(value: bytes, changed: bytes) -> None:
    assert _changed(value) == changed


def test_a_file_without_content_gets_small_values() -> None:
    assert _changes(b"") == [b"x", b"1"]
    assert _changes(b"7") == [b"8"]


def test_only_what_can_be_written_is() -> None:
    nodes = {"/proc/<pid>/mem": "600", "/proc/<pid>/stat": "444", "/proc/<pid>/comm": "644"}
    assert list(writable({**nodes, "/proc/<pid>/cwd": "777"})) == ["/proc/<pid>/comm"]


def test_what_ends_the_machine_by_design_is_not_written() -> None:
    assert writable({"/proc/sysrq-trigger": "200", "/dev/port": "200", "/dev/mem": "200"}) == {
        "/dev/mem": "/dev/mem"
    }


def test_of_the_files_of_a_name_the_first_is_written() -> None:
    nodes = {"/dev/loop<n>": "200 /dev/loop7", "/sys/power/state": "200"}
    assert writable(nodes) == {"/dev/loop<n>": "/dev/loop7", "/sys/power/state": "/sys/power/state"}


def test_what_moves_the_handler_is_probed_by_itself() -> None:
    group = "/sys/fs/cgroup/<group>"
    nodes = [f"/proc/sys/{number}" for number in range(BATCH + 1)]
    batches = _batches([nodes[0], f"{group}/cgroup.procs", *nodes[1:], f"{group}/cpu.max"])
    assert list(map(len, batches)) == [BATCH, 2, 1]
    assert batches[-1] == [f"{group}/cgroup.procs"]


def test_what_moved_is_told() -> None:
    before = replace(AFTER, exits=0)
    after = replace(before, violations=Violation.OOM_SCORE | Violation.TRACED, exits=3)
    assert _moved(before, after, forced=1) == "traced, oom score, ended 2 x"
    assert _moved(before, replace(before, exits=1), forced=1) == ""
    assert _moved(after, after, forced=0) == "", "what was wrong before is nobody's doing"


def test_what_moves_is_open_even_if_it_was_reviewed_as_noise() -> None:
    moved = ("/proc/<pid>/mem", "/proc/sys/kernel/hostname", "/proc/<pid>/brand_new")
    probed = Probed(3, 1, tuple(Moved(node, "traced") for node in moved))
    judged = judge_moved(probed, {"proc-mem-write": ["proc_mem_write"]})
    assert [entry.state for entry in judged] == [
        EntryState.COVERED,
        EntryState.OPEN,
        EntryState.OPEN,
    ]
    text = probe_report("6.12", probed, judged)
    assert "3 files took a write, 1 refused, 3 moved something" in text
    assert "it was reviewed as noise, and it moves something" in text
