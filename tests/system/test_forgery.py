# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that forge evidence in the real guest get no wrong verdict, at worst an error.

Beside each lie stands the honest cell it wants to be taken for, so that each test can fail.
"""

from __future__ import annotations

import struct
from errno import EPERM, ESRCH
from hashlib import sha256
from os import O_RDONLY, O_RDWR, O_WRONLY
from signal import SIGKILL
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, overwrite, touch
from forger import CHANNEL_FD, NEVER_REACHED, forge, frame, results

from harness.model.attempt_end import End
from harness.model.verdict import Verdict
from harness.scenarios import Effect
from harness.scenarios.direct import process_vm_readv

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.witness.handler import Handler

    Attack = Callable[[Attacker, Handler], None]

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

RESULTS = (
    b'{"verdict": "held", "scenario": "made_up", "ok": true}',
    b'{"verdict": "tampered", "axes": {"integrity": true}}',
    b"\x1b[2J\x1b]0;all 9 held\x07 made_up: HELD",
    b"Kernel panic - not syncing: forged",
    b"WARNING: CPU: 0 PID: 1 at forged.c:1 forged+0x1/0x2",
    b"BUG: unable to handle page fault; Oops: 0002 [#1]; Tainted: G      D",
)


@pytest.mark.parametrize("path", ["/dev/console", "/dev/ttyS0", "/dev/kmsg"])
@pytest.mark.parametrize(("act", "truth"), [(touch, Verdict.HELD), (overwrite, Verdict.TAMPERED)])
def test_results_printed_by_the_guest_are_just_text(
    cells: Cells, path: str, act: Attack, truth: Verdict
) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        act(attacker, handler)
        with attacker.open(path, O_WRONLY) as log:
            for text in RESULTS:
                log.write(b"<0>" * (path == "/dev/kmsg") + text + b"\n")

    outcome = cells.run(attack)
    assert outcome.verdict is truth, outcome.detail
    assert "Kernel panic - not syncing: forged" in outcome.console
    assert all(line.isprintable() for line in outcome.console.split("\n"))
    assert not cells.left()


def test_a_false_success_is_an_error(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        pid = handler.pid
        forge(attacker, 7, 32, 0)
        with attacker.open(f"/proc/{pid}/mem", O_RDWR) as mem:
            mem.pwrite(b"\xff" * 32, handler.symbol("chain"))

    outcome = cells.run(attack)
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, NEVER_REACHED)
    assert str(outcome.attempt_end) == "completed"
    assert cells.run(overwrite).verdict is Verdict.TAMPERED


def test_a_false_refusal_of_what_was_not_tried_is_an_error(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        pid = handler.pid
        forge(attacker, -EPERM)
        attacker.open(f"/proc/{pid}/mem", O_RDWR)

    for variant in ("baseline", "isolated", "kthread"):
        outcome = cells.run(attack, variant)
        assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, NEVER_REACHED)
        assert str(outcome.attempt_end) == "refused: EPERM at openat"
    outcome = cells.run(overwrite, "isolated")
    assert (outcome.verdict, outcome.detail) == (Verdict.HELD, "no target: ESRCH at openat")


def test_a_false_refusal_of_what_went_through_is_seen(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        overwrite(attacker, handler)
        forge(attacker, -EPERM)
        attacker.open(f"/proc/{handler.pid}/mem", O_RDWR)

    outcome = cells.run(attack)
    assert str(outcome.attempt_end) == "refused: EPERM at openat"
    assert outcome.verdict is Verdict.TAMPERED


def test_a_false_refusal_with_a_visit_to_the_handler_wins_nothing(cells: Cells) -> None:
    """The witness saw a visit and no harm, which is the truth; the control then has not won."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        forge(attacker, -EPERM)
        attacker.open(f"/proc/{handler.pid}/mem", O_RDWR)

    reported = results(cells, attack, "isolated")
    assert reported["isolated"].verdict is Verdict.ERROR
    assert "control baseline did not win" in reported["isolated"].detail
    assert not reported["baseline"].ok


def test_no_target_is_no_excuse_where_there_is_one(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        pid = handler.pid
        forge(attacker, -ESRCH)
        attacker.open(f"/proc/{pid}/mem", O_RDWR)

    why = {"baseline": "unexpected ESRCH at openat", "isolated": NEVER_REACHED}
    for variant, said in why.items():
        outcome = cells.run(attack, variant)
        assert outcome.verdict is Verdict.ERROR
        assert said in outcome.detail
    # Where a thread answers, the kernel must have been seen to look at it.
    outcome = cells.run(attack, "kthread")
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, NEVER_REACHED)
    assert str(outcome.attempt_end) == "no target: ESRCH at openat"
    outcome = cells.run(overwrite, "kthread")
    assert (outcome.verdict, outcome.detail) == (Verdict.HELD, "no target: ESRCH at openat")


@pytest.mark.parametrize(
    "noise",
    [frame(0, 0), frame(1 << 31, 0), b"\xff" * 64, struct.pack("<IIq", 0xFFFFFFFF, 1, 0)],
    ids=["farewell", "another id", "garbage", "endless"],
)
def test_nonsense_on_the_channel_is_an_error(cells: Cells, noise: bytes) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        overwrite(attacker, handler)
        attacker.write(CHANNEL_FD, noise)

    outcome = cells.run(attack)
    assert (outcome.verdict, outcome.attempt_end.end) == (Verdict.ERROR, End.LOST)
    assert [call["call"] for call in outcome.attempt][-1] == "write"
    assert not cells.left()


def test_a_killed_agent_is_an_error(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        attacker.kill(attacker.getpid(), SIGKILL)

    outcome = cells.run(attack)
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, "the agent has ended")
    assert cells.run(touch).verdict is Verdict.HELD


def test_a_massacre_is_what_it_is(cells: Cells) -> None:
    """All but pid 1 and the killer: the handler among them, which is a disruption."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        attacker.kill(-1, SIGKILL)

    outcome = cells.run(attack)
    assert outcome.verdict is Verdict.DISRUPTED
    assert "restarted 1 x" in outcome.detail


def test_a_massacre_of_the_agent_too_is_an_error(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        killer = attacker.spawn("/bin/busybox", "sh", "-c", "kill -9 -1")
        attacker.waitpid(killer)
        attacker.getpid()

    assert cells.run(attack).verdict is Verdict.ERROR


@pytest.mark.parametrize("claim", ["zeros", "hash", "nothing"])
def test_a_wrong_secret_is_no_leak(cells: Cells, claim: str) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        tally = handler._witness.read()
        claims = {"zeros": bytes(32), "hash": tally.secrets_sha256[0], "nothing": b""}
        attacker.show(claims[claim])
        attacker.show(sha256(claims[claim]).digest())

    outcome = cells.run(attack, effect=Effect.CONFIDENTIALITY)
    assert outcome.verdict is Verdict.HELD
    assert not outcome.axes.confidentiality


def test_the_right_secret_is_a_leak(cells: Cells) -> None:
    assert cells.run(process_vm_readv).verdict is Verdict.LEAKED


def test_a_taint_of_the_attackers_own_is_an_error(cells: Cells) -> None:
    """And it cannot be taken back."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        for taint in (b"512", b"0"):
            attacker.write_file("/proc/sys/kernel/tainted", taint)

    outcome = cells.run(attack)
    assert outcome.verdict is Verdict.ERROR
    assert "taint 0x200" in outcome.detail


def test_an_attack_that_names_nothing_to_reach_proves_nothing(cells: Cells) -> None:
    assert cells.run(touch, reach=None).verdict is Verdict.ERROR
    assert cells.run(touch, reach=None, effect=Effect.NONE).verdict is Verdict.ERROR
    assert cells.run(touch, reach=None, from_host=True).verdict is Verdict.HELD


def test_the_kernels_own_calls_prove_nothing(cells: Cells) -> None:
    """The witness looks at the handler's memory after each reply, by the function to be reached."""

    def wait(_attacker: Attacker, handler: Handler) -> None:
        handler.wait_for_request()

    def look(attacker: Attacker, handler: Handler) -> None:
        attacker.read_file(f"/proc/{handler.pid}/statm")

    outcome = cells.run(wait, reach="get_task_mm")
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, NEVER_REACHED)
    outcome = cells.run(look, reach="get_task_mm")
    assert (outcome.verdict, outcome.detail) == (Verdict.HELD, "no effect, reached 1 x")


def test_a_visit_to_another_process_is_no_visit_to_the_handler(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        assert handler.pid != 1
        attacker.open("/proc/1/exe", O_RDONLY).close()

    outcome = cells.run(attack)
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, NEVER_REACHED)
