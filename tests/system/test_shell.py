# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness shell` on a terminal: its machine, the shell's functions, and how to leave."""

from __future__ import annotations

import re
from signal import SIGTERM
from typing import TYPE_CHECKING

import pytest
from at_terminal import AtTerminal
from command_line import umd_harness

from harness.lab.lab import Lab

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(3600)

EXIT, LEAVE = b"exit\n", b"\x01x"
PROMPT = b"# "

OWN = """
from os import O_RDWR

from harness.scenarios import Effect, scenario


def note(attacker, name):
    attacker.write_file(f"/tmp/{name}", b"", mode=0o600)


@scenario(
    effect=Effect.INTEGRITY,
    surface="proc-mem-write",
    answers=("T1",),
    call="openat",
    reach="security_ptrace_access_check",
    cpus=2,
    boot="umd_test=here",
    prepare=lambda attacker, handler: note(attacker, "prepared"),
)
def overwrite(attacker, handler):
    \"\"\"Overwrite the handler's state, and wait for what comes of it.\"\"\"
    note(attacker, "attacked")
    with attacker.open(f"/proc/{handler.pid}/mem", O_RDWR) as mem:
        mem.pwrite(bytes(32), handler.symbol("chain"))
    handler.let_pass(300_000_000)
"""


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """The images are there: none is built while a terminal is waited for."""
    Lab.open("6.12", progress=lambda _: None)


def test_one_command_needs_no_terminal(tmp_path: Path) -> None:
    said = "id -u; comm=$(cat /proc/$UMD_HANDLER_PID/comm); echo $comm >&2; kill -TERM $$"
    done = umd_harness(tmp_path, "shell", "--variant", "baseline", "--", "sh", "-c", said)
    assert (done.returncode, done.stdout) == (128 + SIGTERM, "0\n")
    assert done.stderr == "umd_witness_umh\n"


def test_files_are_in_the_guest_before_the_command(tmp_path: Path) -> None:
    (tmp_path / "mine.sh").write_text("#!/bin/sh\nwc -c </tmp/data; exit $1\n")
    (tmp_path / "mine.sh").chmod(0o755)
    (tmp_path / "data").write_bytes(bytes(300_000))
    words = ("--variant", "baseline", "--copy", "mine.sh", "data", "--", "sh", "-c")
    done = umd_harness(tmp_path, "shell", *words, "cd /tmp && ./mine.sh 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "300000\n", "")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file with one scenario, which leaves marks in the guest."""
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def try_it(person: AtTerminal, way_out: bytes) -> None:
    """Use a root shell, and leave it."""
    person.read_until(PROMPT)
    person.type(b"id -u; echo x$((6*7))\n")
    assert re.search(rb"[\r\n]0\r", person.read_until(b"\nx42"))  # after what readline may say
    person.type(way_out)
    assert person.end()[0] == 0


@pytest.mark.parametrize("way_out", [EXIT, LEAVE], ids=["exit", "ctrl-a-x"])
@pytest.mark.parametrize("engine", ["microvm", "virtme", "image"])
def test_a_root_shell_in_a_machine_that_is_up(engine: str, way_out: bytes) -> None:
    with AtTerminal("shell", "--engine", engine, "--variant", "baseline") as person:
        person.read_until(b"The handler is process ")
        try_it(person, way_out)


@pytest.mark.parametrize(
    ("engine", "way_out"), [("microvm", EXIT), ("virtme", LEAVE), ("image", EXIT)]
)
def test_a_root_shell_on_the_console_of_a_machine_that_boots(engine: str, way_out: bytes) -> None:
    with AtTerminal("shell", "--boot", "--engine", engine, "--variant", "baseline") as person:
        # Behind the reader's back, an interrupt for what may be typed there already.
        try_it(person, way_out if way_out == EXIT else b"\x03" + way_out)


def test_it_is_a_terminal_with_job_control() -> None:
    with AtTerminal("shell", "--variant", "baseline") as person:
        person.read_until(PROMPT)
        # A shell that has forked a program may lose an interrupt before the program's start.
        person.type(b"sh -c 'stty rows 33; stty size; exec sleep 1000'\n")
        person.read_until(b"\n33 ")
        person.type(b"\x03")
        person.read_until(PROMPT)
        person.type(b"tty; echo $((6*7)); seq 20000 | tail -1; exit\n")
        assert b"/dev/pts/0" in person.read_until(b"\n42")
        person.read_until(b"\n20000")
        assert person.end()[0] == 0


def test_a_machine_before_an_attack(own: Path) -> None:
    with AtTerminal("shell", "--variant", "baseline", "--scenario", str(own)) as person:
        said = person.read_until(PROMPT)
        assert b"The attack" not in said
        pid = re.search(rb"handler is process (\d+)", said)
        assert pid
        person.type(b"ls /tmp; nproc; cat /proc/%s/comm; cat /proc/cmdline; exit\n" % pid[1])
        assert person.read_until(b"\nprepared\r\n")
        assert b"attacked" not in person.read_until(b"2\r\numd_witness_umh\r\n")
        person.read_until(b"umd_test=here")
        assert person.end()[0] == 0


def test_a_machine_after_an_attack(own: Path) -> None:
    words = ("--scenario", str(own), "--prepare", "overwrite", "--at", "after")
    with AtTerminal("shell", "--variant", "baseline", *words) as person:
        person.read_until(b"pwrite64(")
        person.read_until(b"The attack: completed.")
        person.read_until(b"So far, before the aftermath: tampered (")
        assert b"wrong repl" in person.read_until(PROMPT)
        person.type(b"ls /tmp; exit\n")
        person.read_until(b"\nattacked")
        assert person.end()[0] == 0


def test_an_attack_that_takes_the_machine_down_leaves_nothing_to_look_at() -> None:
    with AtTerminal(
        "shell", "--variant", "baseline", "--prepare", "sysrq_crash", "--at", "after"
    ) as person:
        status, said = person.end()
    assert status == 2
    assert re.search(
        r"the machine of .* did not survive: .*sysrq triggered crash; use --at before", said
    )


def test_a_machine_that_ends_says_so() -> None:
    with AtTerminal("shell", "--variant", "baseline") as person:
        person.read_until(PROMPT)
        person.type(b"echo c >/proc/sysrq-trigger\n")
        status, said = person.end()
    assert status == 0
    assert "The machine has ended: the guest reset itself: Kernel panic" in said


def test_a_guest_that_no_longer_answers_holds_nobody() -> None:
    with AtTerminal("shell", "--variant", "baseline") as person:
        person.read_until(PROMPT)
        # The agent, which is the parent of the shell, brings back each typed line but the second.
        person.type(b"read -s line; kill -STOP $PPID\n")
        person.read_until(b"$PPID\r\n")
        person.type(b"\n")
        assert person.is_quiet()
        person.type(b"\x03 anything\n" + LEAVE)
        assert person.end()[0] == 0
