# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness shell --gdb`: the command that it prints starts the real gdb."""

from __future__ import annotations

import re
import shlex
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from at_terminal import DEADLINE, AtTerminal

if TYPE_CHECKING:
    from harness.lab.lab import Lab

pytestmark = pytest.mark.timeout(3600)

PROMPT = b"# "


@pytest.fixture(scope="module", autouse=True)
def built(lab: Lab) -> None:
    """The images are there: none is built while a terminal is waited for."""


MAGIC = "umd_witness_tally.magic"


def gdb(line: str, *commands: str) -> str:
    """What gdb prints when the line was typed, and then the commands."""
    typed = [word for command in commands for word in ("-ex", command)]
    done = subprocess.run(
        [*shlex.split(line), "-batch", *typed],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    return done.stdout + done.stderr


def line_of(person: AtTerminal) -> str:
    found = re.search(rb"\n  (gdb .*vmlinux)\r\n", person.read_until(b"vmlinux\r\n"))
    assert found
    return found[1].decode()


@pytest.mark.parametrize("engine", ["microvm", "virtme", "image"])
def test_a_machine_stands_still_until_gdb_has_it_continue(engine: str) -> None:
    with AtTerminal("shell", "--gdb", "--engine", engine, "--variant", "isolated") as person:
        line = line_of(person)
        person.read_until(b"Ctrl-a x.\r\n")
        assert person.is_quiet(), "there is no prompt before gdb lets the guest go on"
        [socket] = re.findall("target remote ([^']+)", line)
        assert stat.S_IMODE(Path(socket).parent.stat().st_mode) == 0o700
        said = gdb(
            line,
            "hbreak umd_mgmt_send_recv",
            "continue",
            "backtrace 2",
            f"print/x {MAGIC}",
            "delete",
            "detach",
        )
        assert re.search(r"#0 +umd_mgmt_send_recv \(", said)
        assert re.search(r"\$1 = 0x[0-9a-f]{8,}", said)
        person.read_until(PROMPT)
        person.type(b"exit\n")
        assert person.end()[0] == 0
    assert not Path(socket).exists()


def test_a_machine_does_not_boot_until_gdb_has_it_continue() -> None:
    with AtTerminal("shell", "--gdb", "--boot", "--variant", "isolated") as person:
        line = line_of(person)
        person.read_until(b"Ctrl-a x.\r\n")
        said = gdb(line, "hbreak start_kernel", "continue", "backtrace", "delete", "detach")
        assert re.search(r"#0 +start_kernel \(", said)
        person.read_until(PROMPT)
        person.type(b"exit\n")
        assert person.end()[0] == 0


def test_after_an_attack_gdb_finds_what_it_did() -> None:
    """The stub served the harness until then, for physical addresses."""
    arguments = ("--prepare", "cgroup_freeze", "--at", "after", "--variant", "baseline")
    with AtTerminal("shell", "--gdb", *arguments) as person:
        line = line_of(person)
        assert '"init"' in gdb(
            line, "print init_task.tasks.next", "print init_pid_ns.child_reaper.comm"
        ).replace("\\000", "")
