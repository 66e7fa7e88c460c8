# SPDX-License-Identifier: GPL-2.0-only
"""A manager asks for the isolation of its driver; what does not ask runs as in mainline."""

from __future__ import annotations

import re
from errno import EPERM
from os import O_RDONLY, SCHED_IDLE
from signal import SIGKILL
from typing import TYPE_CHECKING

import pytest
from sample import SELFTEST, Sample

from harness.attacker import GuestError
from harness.attacker.tools.kernel_threads import threads_named
from harness.attacker.tools.tracefs import recorded, switch_on

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.vm.machine import Machine

QUEUE = "workqueue/workqueue_queue_work"
GFP_MOVABLE = 8
"""___GFP_MOVABLE of include/linux/gfp_types.h."""


@pytest.fixture
def variant() -> str:
    """The variant under test."""
    return "isolated"


def selftest(attacker: Attacker, machine: Machine, *, isolated: bool) -> Sample:
    """The self-test's manager, which asks or does not."""
    with attacker.open(f"/lib/modules/{SELFTEST.manager}.ko", O_RDONLY) as module:
        attacker.syscall("finit_module", module.fd, f"isolated={isolated:d}", 0)
    return Sample(attacker, machine, SELFTEST)


@pytest.mark.parametrize("isolated", [True, False], ids=["asked", "not-asked"])
def test_only_who_asks_gets_isolation(
    sample: Sample, attacker: Attacker, *, isolated: bool
) -> None:
    """Root may kill a driver that is not isolated, and no seccomp mode holds it."""
    assert not sample.started
    driver = selftest(attacker, sample.machine, isolated=isolated)
    driver.write("1 1")
    pid = driver.pid
    status = attacker.read_file(f"/proc/{pid}/status").decode()
    assert ("Seccomp:\t1\n" in status) is isolated
    if isolated:
        with pytest.raises(GuestError) as refused:
            attacker.kill(pid, SIGKILL)
        assert refused.value.errno == EPERM
    else:
        attacker.kill(pid, SIGKILL)
        driver.wait_gone(pid)
    driver.write("1 1")
    assert (driver.pid == pid) is isolated


@pytest.mark.parametrize("isolated", [True, False], ids=["asked", "not-asked"])
def test_memory_that_stays_is_not_movable(
    sample: Sample, attacker: Attacker, *, isolated: bool
) -> None:
    """What never moves is no movable memory: else no memory could go offline."""
    assert not sample.started
    driver = selftest(attacker, sample.machine, isolated=isolated)
    mine = f'comm == "{SELFTEST.handler[:15]}" && gfp_flags & {GFP_MOVABLE}'
    switch_on(attacker, "kmem/mm_page_alloc", only=mine)
    driver.write("1 1")
    assert (recorded(attacker, "mm_page_alloc") == []) is isolated


@pytest.mark.parametrize("isolated", [True, False], ids=["asked", "not-asked"])
def test_loads_and_drivers_that_are_not_isolated_have_workqueues_of_their_own(
    sample: Sample, attacker: Attacker, *, isolated: bool
) -> None:
    """Root can keep the workers of a driver busy by its pipes, unless the driver is isolated."""
    assert not sample.started
    driver = selftest(attacker, sample.machine, isolated=isolated)
    mine = f"common_pid == {attacker.syscall('getpid')}"
    switch_on(attacker, QUEUE, only=f'{mine} || comm == "modprobe"')  # which starts the driver
    driver.write("1 1")
    if not isolated:  # then root may kill the driver, and the manager starts it again
        pid = driver.pid
        attacker.kill(pid, SIGKILL)
        driver.wait_gone(pid)
        driver.write("1 1")
    queued = recorded(attacker, "workqueue_queue_work")
    load, *others = re.findall(r"workqueue=(umd_\w+)", "\n".join(queued))
    assert load == "umd_load"  # a load that hangs keeps no rescuer of requests busy
    assert len(others) >= (1 if isolated else 3)
    assert set(others) == ({"umd_start", "umd_isolated"} if isolated else {"umd_mgmt"})


@pytest.mark.parametrize(("variant", "rescuers"), [("isolated", 2), ("baseline", 0)])
def test_the_rescuers_are_out_of_roots_reach(attacker: Attacker, rescuers: int) -> None:
    """That of requests and that of starts. Without the defence `sched` there is none."""
    pids = list(threads_named(attacker, b"kworker/R-umd_"))
    assert len(pids) == rescuers
    for pid in pids:
        with pytest.raises(GuestError) as refused:
            attacker.sched_setscheduler(pid, SCHED_IDLE, 0)
        assert refused.value.errno == EPERM
