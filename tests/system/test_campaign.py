# SPDX-License-Identifier: GPL-2.0-only
"""The slice of `tox -e campaign` for CI: a planted hole is found, BPF programs and rings work."""

from __future__ import annotations

import re
from random import Random
from signal import SIGTERM
from typing import TYPE_CHECKING

import msgspec
import pytest

from harness.attacker.agent.syscalls import NUMBERS
from harness.campaign.files import GuestFile
from harness.campaign.finding import Finding
from harness.campaign.judged import KERNEL, BatchJudge
from harness.campaign.program import Call, Made, Number, Pid, Program, Text
from harness.campaign.rings import submitted, write_at
from harness.campaign.structures import bpf_program
from harness.cli.main import main
from harness.model.handlers import BACKDOOR, HASH
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from harness.campaign.judged import Judged
    from harness.lab.lab import Lab

REDISCOVER = ("defences", "--rediscover", "1h", "--without", "signals", "--jobs", "1")
TRIES = 6
GETPID_32 = 20


@pytest.mark.timeout(3600)
def test_what_a_missing_defence_opens_is_found_and_not_searched_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*REDISCOVER, "--results", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "Campaigns found a way in for 1 of them." in told
    (listed,) = tmp_path.glob("rediscovery-*/campaign-*/files.json")
    guests = msgspec.json.decode(listed.read_bytes(), type=list[GuestFile])
    files = {file.path: file.words for file in guests}
    assert "freezer" in files["/sys/power/pm_test"]
    assert "/proc/sys/kernel/tainted" not in files
    *_, found = sorted(tmp_path.glob("rediscovery-*/campaign-*/findings/*/finding.json"))
    finding = msgspec.json.decode(found.read_bytes(), type=Finding)
    assert finding.lost == ("availability",)
    assert "security_task_kill" in finding.hooks
    (batches,) = tmp_path.glob("rediscovery-*/campaign-*/batches.jsonl")
    before = batches.read_bytes()
    assert main([*REDISCOVER, "--results", str(tmp_path)]) == 0
    again = "".join(capsys.readouterr())
    assert table(again) == table(told)
    assert "saved state" not in again, "no machine runs"
    assert batches.read_bytes() == before


def table(told: str) -> list[str]:
    return [line for line in told.splitlines() if line.startswith("|")]


def test_the_kernel_takes_the_bpf_programs_and_they_act(lab: Lab) -> None:
    random = Random(1)  # noqa: S311 - it is to be repeated
    batch = [Program(tuple(bpf_program(random, (0,), 0)), stays=True) for _ in range(48)]
    judged = BatchJudge.of(lab).judged("baseline", batch)
    assert judged.lost, "some of them send the handler a signal that ends it"
    assert {len(results) for results in judged.results} == {2, 3}, "tracepoints, and kprobes"
    assert all(loaded > 0 for loaded, *_ in judged.results)
    tracepoints = [opened for _, opened, *attached in judged.results if not attached]
    assert all(opened > 0 for opened in tracepoints)
    assert 0 in {attached[0] for _, _, *attached in judged.results if attached}, "on a kprobe"


def test_a_program_harms_the_handlers_page_by_its_frame(lab: Lab) -> None:
    path = Text("/sys/kernel/debug/hwpoison/corrupt-pfn")
    opened = Call("openat", (Number(-100), path, Number(1), Number(0)))
    write = Call("write", (Made(0), Text("{frame}"), Number(16)))
    judge, batch = BatchJudge.of(lab), [Program((opened, write))]
    assert judge.judged("baseline", batch).lost
    assert not judge.judged("isolated", batch).lost


def test_requests_of_an_io_uring_write_the_handlers_memory(lab: Lab) -> None:
    secret = lab.image.handler_symbol(HASH.program, "secret")
    opened = Call("openat", (Number(-100), Text("/proc/{handler}/mem"), Number(2), Number(0)))
    write = write_at(Made(0), secret, "forged")
    batch = [Program((opened, *submitted([write, write], flags=0, at=1)))]
    judged = BatchJudge.of(lab).judged("baseline", batch)
    assert judged.results[0][2] == 2, "both requests are submitted"
    assert "integrity" in judged.lost


def test_a_program_that_repeats_is_there_when_a_handler_starts(lab: Lab) -> None:
    """The guest of a busy host may give the program no turn, so it gets several tries."""
    # A busy host does not explain this signal, as it would explain SIGKILL.
    kill = Call("kill", (Pid("handler"), Number(SIGTERM)))

    def judged(*, repeats: bool) -> Judged:
        return BatchJudge.of(lab).judged("baseline", [Program((kill,), repeats, repeats)])

    once = judged(repeats=False)
    assert "availability" in once.lost
    assert deaths(once) <= 2, "a request that failed, and a start"
    assert any(deaths(judged(repeats=True)) > 2 for _ in range(TRIES)), "no more deaths"


def test_a_loader_killed_while_its_handler_starts_is_no_change_of_the_image(lab: Lab) -> None:
    """A killed task cannot read the memory of the handler that it starts."""
    kill = Call("kill", (Pid("everyone"), Number(SIGTERM)))
    batch = [Program((kill,), stays=True, repeats=True)]
    tries = [BatchJudge.of(lab).judged("isolated", batch) for _ in range(TRIES)]
    assert not [judged.detail for judged in tries if "integrity" in judged.lost]
    assert any("availability" in judged.lost for judged in tries), "the signals stopped a start"


def deaths(judged: Judged) -> int:
    """Count the handlers that a request found ended, or that ended before it had its reply.

    One that is killed while it starts is not counted as a start, but its request has failed.
    """
    found = re.findall(r"(\d+) failed|restarted (\d+) x", judged.detail)
    return sum(int(failed or restarted) for failed, restarted in found)


def test_a_taint_is_a_fault_of_the_kernel_with_its_log(lab: Lab) -> None:
    opened = Call("openat", (Number(-100), Text("/proc/sys/kernel/tainted"), Number(1)))
    tainted = Call("write", (Made(0), Text("512"), Number(3)))
    judged = BatchJudge.of(lab).judged("baseline", [Program((opened, tainted))])
    assert judged.lost == {KERNEL}
    assert "Linux version" in judged.log


@pytest.mark.parametrize(
    "call",
    [
        Call("syscall", (Number(NUMBERS["getpid"]),)),
        Call("int80", (Number(GETPID_32),)),
    ],
    ids=["native", "compat"],
)
def test_a_handler_that_was_taken_over_gets_away_where_nothing_confines_it(
    lab: Lab, call: Call
) -> None:
    check_inside(lab, call, "baseline")


def test_a_forged_reply_of_the_handler_counts_where_messages_have_no_frame(lab: Lab) -> None:
    reply = lab.image.handler_symbol(BACKDOOR, "reply")
    check_inside(lab, Call("write", (Number(1), Number(reply), Number(56))), "seccomp-strict")


def check_inside(lab: Lab, call: Call, unconfined: str) -> None:
    """Check that a call by the handler is a loss on that variant, and none on others."""
    batch = [Program((call,), inside=True)]
    judge = BatchJudge.of(lab)
    assert judge.judged(unconfined, batch).lost == {"integrity"}
    assert judge.judged("isolated", batch).verdict is Verdict.HELD
    assert judge.judged("kthread", batch).verdict is Verdict.NOT_APPLICABLE
