# SPDX-License-Identifier: GPL-2.0-only
"""A finding's files are what they say: a C program that runs, and a scenario that loads."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace
from repeating import await_mark, marking, named_sleeper
from scripted_judge import KILL

from harness.brought.options import Brought, corpus_with
from harness.campaign.as_c import c_program
from harness.campaign.finding import Finding
from harness.campaign.program import Call, Data, Fact, Made, Number, Pid, Program, Room, Text
from harness.campaign.writing import FindingWriter
from harness.guests.payloads import compile_attack
from harness.model.verdict import Effect, Verdict

if TYPE_CHECKING:
    from pathlib import Path

READ = Program(
    (
        Call("openat", (Number(-100), Text("/proc/{handler}/stat"), Number(0))),
        Call("read", (Made(0), Room(16), Number(16))),
    )
)
NESTED = Program(
    (
        Call("openat", (Number(-100), Text('/dev/"null\n'), Number(1))),
        Call(
            "writev",
            (Made(0), Data(bytes(16), ((0, 8, Text("{caller}{frame}")), (8, 8, Number(1))))),
        ),
        Call("perf_event_open", (Data(bytes(64), ((0, 4, Fact("kprobe")),)), Pid("worker"))),
        Call("kill", (Pid("bystander"), Number(-(1 << 63)))),
    ),
    stays=True,
)


def a_finding(program: Program, verdict: Verdict = Verdict.DISRUPTED) -> Finding:
    return Finding(program, verdict, 'a "detail"', "what", ("availability",), 3, Verdict.HELD)


def made(program: Program, pid: int, tmp_path: Path) -> subprocess.CompletedProcess[bytes]:
    source = tmp_path / "found.c"
    source.write_text(c_program(program, about="it ends */ early"))
    compile_attack(source, tmp_path / "found")
    environment = {"UMD_HANDLER_PID": str(pid)}
    return subprocess.run(
        [tmp_path / "found"], env=environment, capture_output=True, timeout=60, check=False
    )


FROM_INSIDE = Program((Call("int80", (Number(-1), Number(0))),), inside=True)


def test_the_c_program_makes_the_calls(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as victim:
        read = made(READ, victim.pid, tmp_path)
        assert f"{victim.pid} (sleep".encode()[:16] in read.stdout
        assert read.returncode == 0
        assert made(Program((KILL,)), victim.pid, tmp_path).returncode == 0
        assert victim.wait(60) == -9
    assert made(Program((KILL,)), victim.pid, tmp_path).returncode == 1, "it was refused"


def test_a_program_that_repeats_makes_its_calls_at_the_next_handler(tmp_path: Path) -> None:
    source, repeating = tmp_path / "repeating.c", tmp_path / "repeating"
    source.write_text(c_program(marking(tmp_path), about="a test"))
    compile_attack(source, repeating)
    with named_sleeper(tmp_path) as first:
        environment = {"UMD_HANDLER_PID": str(first.pid)}
        with subprocess.Popen([repeating], env=environment, start_new_session=True) as attack:
            try:
                await_mark(tmp_path, first)
                with named_sleeper(tmp_path) as second:
                    await_mark(tmp_path, second)
            finally:
                os.killpg(attack.pid, signal.SIGKILL)


@pytest.mark.parametrize("repeats", [False, True])
def test_every_kind_of_argument_compiles_without_a_warning(tmp_path: Path, repeats: bool) -> None:
    source = tmp_path / "nested.c"
    source.write_text(c_program(replace(NESTED, repeats=repeats), about="all kinds"))
    target = str(tmp_path / "nested.o")
    command = ["gcc", "-Wall", "-Wextra", "-Werror", "-c", "-o", target, str(source)]
    subprocess.run(command, check=True, timeout=60)


@pytest.mark.parametrize("program", [Program((*READ.calls, KILL)), NESTED], ids=["plain", "nested"])
def test_the_scenario_loads_and_declares_the_attack(program: Program, tmp_path: Path) -> None:
    writer = FindingWriter(tmp_path, ("--variant", "isolated"), "s", "kthread")
    place = writer.write(2, a_finding(program))
    (name,) = {path.stem for path in place.iterdir()} - {"finding", "README"}
    corpus = corpus_with(Brought(scenario_files=[place / f"{name}.py"]))
    assert corpus.scenarios[name].effect is Effect.AVAILABILITY
    told = (place / "README.txt").read_text()
    line = f"umd-harness run --attack {place / name}.c --effect availability --variant isolated"
    assert line in told


def test_a_finding_from_inside_is_a_scenario_alone(tmp_path: Path) -> None:
    writer = FindingWriter(tmp_path, (), "s", "kthread")
    place = writer.write(1, a_finding(FROM_INSIDE, Verdict.TAMPERED))
    assert {path.suffix for path in place.iterdir()} == {".py", ".json", ".txt"}
    corpus = corpus_with(Brought(scenario_files=[place / f"{place.name}.py"]))
    assert corpus.scenarios[place.name].inside
    assert "handler.make_call(-1, 0, is_compat=True)" in (place / f"{place.name}.py").read_text()
    assert "--attack" not in (place / "README.txt").read_text()
