# SPDX-License-Identifier: GPL-2.0-only
"""Each cell has its own, confined machine, on which verdicts depend besides the witness."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells
from late_replies import Failures

from harness.attacker import Attacker, Channel
from harness.attacker.agent.syscalls import NUMBERS
from harness.lab.trial import TALLY
from harness.model.variants import VARIANTS
from harness.vm.demotion import QEMU_USER, unprivileged
from harness.vm.states import saved_state
from harness.witness.handler import Handler
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from harness.lab.lab import Lab
    from harness.vm.machine import Machine
    from harness.witness.tally import Tally

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

SECCOMP_FILTER = 2
"""SECCOMP_MODE_FILTER, as /proc/PID/status prints it."""


def answered(witness: Witness, *, more: int) -> Tally:
    """The tally after `more` right replies."""
    right = witness.read().count.right
    return witness.wait(
        lambda tally: tally.count.right >= right + more, seconds=60, what="further right replies"
    )


def test_no_guest_copies_by_byte(cells: Cells) -> None:
    """A kernel does so on a processor with one of these features. This takes TCG longer."""
    with (
        cells.lab.machine("baseline") as machine,
        Channel(machine.agent_socket()) as channel,
    ):
        processor = Attacker(channel, cells.lab.guest).read_file("/proc/cpuinfo").decode().split()
    assert "flags" in processor
    assert not {"erms", "fsrm", "fsrs"} & {*processor}


def test_two_machines_from_one_state_do_not_see_each_other(cells: Cells) -> None:
    """What one guest writes, and what the host does to it, is neither in the other nor kept."""
    lab = cells.lab
    plan = lab.machine_plan("baseline")
    ready = partial(lab.machines.park, plan)
    state = saved_state(lab.machines.spec(plan), lab.accelerator, ready=ready)
    files = (state.ram, state.device)
    before = [(sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) for path in files]
    with ExitStack() as stack:
        one, other = (stack.enter_context(lab.machine("baseline")) for _ in range(2))
        witnesses = [Witness(machine, lab.image) for machine in (one, other)]
        _, before_it = (answered(witness, more=1) for witness in witnesses)
        failures = Failures(other, before_it)
        Handler(VARIANTS["baseline"], one, lab.image, witnesses[0]).flip_byte()
        _write_and_read(lab, one, b"one")
        _write_and_read(lab, other, b"other")
        tampered, untouched = (
            witness.wait(
                lambda tally: tally.count.right + tally.count.wrong > 30, seconds=60, what="replies"
            )
            for witness in witnesses
        )
        assert (untouched.count.wrong, failures.others(untouched)) == (0, 0)
    assert tampered.count.wrong > 0
    assert before == [
        (sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) for path in files
    ]
    assert not cells.left()


def _write_and_read(lab: Lab, machine: Machine, data: bytes) -> None:
    """Fail if another machine's file is there already, or ours is not there afterwards."""
    with Channel(machine.agent_socket()) as channel:
        attacker = Attacker(channel, lab.guest)
        with pytest.raises(OSError, match="ENOENT"):
            attacker.read_file("/root/mark")
        attacker.write_file("/root/mark", data, mode=0o600)
        assert attacker.read_file("/root/mark") == data


def test_no_two_runs_have_the_same_secret(cells: Cells) -> None:
    """After the restart that the kernel forces in the aftermath each run draws its own."""
    secrets: list[set[bytes]] = []
    first: list[set[bytes]] = []
    for _ in range(2):
        with cells.lab.machine("baseline") as machine:
            witness = Witness(machine, cells.lab.image)
            first.append(set(witness.read().secrets_sha256))
            generation = witness.read().generation
            after = witness.aftermath()
            assert after.generation > generation
            assert after.vmforks == 1
            secrets.append(set(after.secrets_sha256) - first[-1])
    # The handler in the saved state is the same one; what comes after it is not.
    assert first[0] == first[1]
    assert secrets[0]
    assert not secrets[0] & secrets[1]


def test_qemu_is_locked_in(cells: Cells) -> None:
    with cells.lab.machine("baseline") as machine:
        for thread in Path(f"/proc/{machine.pid}/task").iterdir():
            text = (thread / "status").read_text()
            status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
            assert status["NoNewPrivs"] == "1"
            assert int(status["Seccomp"]) == SECCOMP_FILTER
            assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
            if unprivileged():
                ids = (*status["Uid"].split(), *status["Gid"].split())
                assert set(ids) == {str(QEMU_USER)}


def test_only_the_host_stops_the_machine(cells: Cells) -> None:
    """What the witness patches into the guest's code is none of the gdbstub's business."""
    with cells.lab.machine("baseline") as machine:
        witness = Witness(machine, cells.lab.image)
        answered(witness, more=1)
        image = cells.lab.image
        function = image.symbol("security_task_kill") - image.symbol(TALLY)
        before = witness.watch([function], call=NUMBERS["kill"])
        with Channel(machine.agent_socket()) as channel:
            attacker = Attacker(channel, cells.lab.guest)
            machine._monitor._client.events.clear()
            for _ in range(50):
                attacker.kill(before.pid, 0)
            assert attacker.getpid()
        stops = 3
        for _ in range(stops):
            machine.pause()
            machine.resume()
        events = [event["event"] for event in machine._monitor._client.events.clear()]
        after = witness.read()
    assert (after.named[0].on_handler, after.named[0].on_handler_in_call) == (50, 50)
    assert events.count("STOP") == stops
    assert set(events) <= {"STOP", "RESUME"}
