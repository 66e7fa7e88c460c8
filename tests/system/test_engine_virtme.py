# SPDX-License-Identifier: GPL-2.0-only
"""The virtme engine: the guest can read the host's files at most, and it forges no verdict."""

from __future__ import annotations

import signal
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from os import O_RDONLY
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, overwrite

from harness.attacker import Attacker, Channel
from harness.engines import ENGINES, virtme
from harness.host.errors import UserError
from harness.model.verdict import Verdict
from harness.vm.demotion import has_landlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.lab.lab import Lab
    from harness.witness.handler import Handler

__all__ = ["cells"]

# A boot for each test, on a busy host, and at the first one a kernel build.
pytestmark = pytest.mark.timeout(3600)

BARE = "/run/bare"
"""In the guest, the host's root directory without what the guest mounted upon it."""
MS_BIND = 4096


@pytest.fixture(scope="session")
def virtme_lab(lab: Lab) -> Lab:
    """The line's images, booted by this engine."""
    return replace(lab, engine=ENGINES["virtme"])


@contextmanager
def root_of(lab: Lab) -> Iterator[Attacker]:
    """Root in a guest of `baseline`."""
    with lab.machine("baseline") as machine, Channel(machine.agent_socket()) as channel:
        attacker = Attacker(channel, lab.guest)
        attacker.mkdir(BARE)
        attacker.mount("/", BARE, "", MS_BIND)
        yield attacker


def test_the_guest_has_the_host_s_software_and_nobody_s_data(virtme_lab: Lab) -> None:
    with tempfile.NamedTemporaryFile(prefix="umd-", dir="/var/tmp") as told:
        told.write(b"somebody's data")
        told.flush()
        Path(told.name).chmod(0o644)
        with root_of(virtme_lab) as attacker:
            release = attacker.read_file(f"{BARE}/etc/os-release")
            assert release == Path("/etc/os-release").read_bytes()
            with pytest.raises(OSError, match="EACCES"):
                attacker.read_file(f"{BARE}/etc/shadow")
            with pytest.raises(OSError, match="EROFS"):
                attacker.write_file(f"{BARE}/etc/umd-harness-tried", b"", mode=0o600)
            if has_landlock():
                for hidden in (told.name, "/proc/1/cmdline"):
                    with pytest.raises(OSError, match="EACCES"):
                        attacker.open(f"{BARE}{hidden}", O_RDONLY)


def test_a_share_that_can_be_written_is_refused(
    virtme_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = virtme._shared

    def writable(*which: str) -> tuple[str, ...]:
        return tuple(word.replace("readonly=on", "readonly=off") for word in shared(*which))

    monkeypatch.setattr(virtme, "_shared", writable)
    with (
        pytest.raises(UserError, match=r"can write the host's files: .*canary"),
        virtme_lab.machine("baseline"),
    ):
        pytest.fail("the machine must not be had")


def test_a_guest_that_ends_its_agent_is_no_verdict(cells: Cells, virtme_lab: Lab) -> None:
    def end_the_agent(attacker: Attacker, _: Handler) -> None:
        attacker.kill(attacker.getpid(), signal.SIGKILL)

    outcome = replace(cells, lab=virtme_lab).run(end_the_agent)
    assert outcome.verdict is Verdict.ERROR
    assert "the agent has ended" in outcome.detail


def test_a_guest_that_lies_about_itself_changes_no_verdict(cells: Cells, virtme_lab: Lab) -> None:
    """It prints what it likes, and takes away what the kernel loads modules with."""

    def lie(attacker: Attacker, handler: Handler) -> None:
        overwrite(attacker, handler)
        attacker.write_file("/dev/kmsg", b"umd_witness: all replies were right\n")
        attacker.write_file("/run/umd/modprobe", b"", mode=0o755)

    outcome = replace(cells, lab=virtme_lab).run(lie)
    assert outcome.verdict is Verdict.TAMPERED, outcome.detail


def test_the_guest_s_own_session_outlives_a_shortage_of_memory(virtme_lab: Lab) -> None:
    """Its shell and the agent's parent have no score; what the agent starts is like anybody."""
    with root_of(virtme_lab) as attacker:

        def score(pid: int) -> int:
            return int(attacker.read_file(f"/proc/{pid}/oom_score_adj"))

        def parent(pid: int) -> int:
            status = attacker.read_file(f"/proc/{pid}/status")
            return next(
                int(line.split()[1]) for line in status.splitlines() if line.startswith(b"PPid:")
            )

        agent = attacker.getpid()
        assert (score(agent), score(attacker.fork())) == (0, 0)
        session = []
        while (agent := parent(agent)) != 1:
            session.append(agent)
        assert len(session) > 1
        assert {score(pid) for pid in session} == {-1000}
