# SPDX-License-Identifier: GPL-2.0-only
"""A finding is a known attack if it takes the same, by calls that the attack makes."""

from __future__ import annotations

from harness.campaign.finding import Finding
from harness.campaign.known import KnownAttack, aims, found_again, told
from harness.campaign.program import Call, Data, Made, Number, Pid, Program, Text
from harness.model.verdict import Verdict

OPENED = Call("openat", (Number(-100), Text("/proc/{handler}/mem"), Number(2)))
WRITTEN = Call("write", (Made(0), Data(b"x"), Number(1)))
KILL = Call("kill", (Pid("handler"), Number(9)))
KNOWN = [
    KnownAttack(
        "proc_mem_write",
        Verdict.TAMPERED,
        aims(Program((Call("openat2", OPENED.args), Call("pwrite64", WRITTEN.args), KILL))),
    ),
    KnownAttack("tgkill", Verdict.DISRUPTED, frozenset({"tgkill(handler handler)"})),
]


def finding(verdict: Verdict, *calls: Call, confirmed: int = 3) -> Finding:
    held = Verdict.HELD
    return Finding(Program(calls), verdict, "", "", ("integrity",), confirmed, held)


def test_the_same_way_by_other_calls_is_the_attack() -> None:
    assert found_again([finding(Verdict.TAMPERED, OPENED, WRITTEN)], KNOWN) == {"proc_mem_write"}


def test_another_loss_or_another_way_is_not_the_attack() -> None:
    others = [
        finding(Verdict.DISRUPTED, OPENED, WRITTEN),
        finding(Verdict.TAMPERED, OPENED, Call("ptrace", (Number(0x4206), Pid("handler")))),
        finding(Verdict.TAMPERED, WRITTEN),
        finding(Verdict.TAMPERED, OPENED, confirmed=2),
    ]
    assert found_again(others, KNOWN) == set()


def test_the_command_of_a_call_counts_and_the_name_of_a_cgroup_does_not() -> None:
    seize, poke = (Call("ptrace", (Number(n), Pid("handler"))) for n in (0x4206, 4))
    assert aims(Program((seize,))) != aims(Program((poke,)))
    one, other = (Call("rmdir", (Text(f"/sys/fs/cgroup/{name}/x"),)) for name in ("cell", "c"))
    assert aims(Program((one,))) == aims(Program((other,)))


def test_a_recorded_pid_that_is_the_same_everywhere_is_known() -> None:
    recorded = Program((Call("kill", (Number(-1), Number(9))),))
    assert aims(recorded) == aims(Program((Call("kill", (Pid("everyone"), Number(15))),)))


def test_the_table_counts_by_class() -> None:
    lines = told({"proc_mem_write"}, KNOWN)
    assert lines[-1] == "| all | 1 | 2 |"
    assert len(lines) == 5
