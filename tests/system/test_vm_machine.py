# SPDX-License-Identifier: GPL-2.0-only
"""Machines with a real kernel in a real QEMU: boot, restore, memory from outside."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from errno import ENOENT
from typing import TYPE_CHECKING

import pytest
from vm_machines import Machines, machines

from harness.attacker import GuestError
from harness.host.errors import BadState, Silent, VmLost
from harness.vm.machine import Machine
from harness.vm.saved_state import SavedState
from harness.vm.states import saved_state

if TYPE_CHECKING:
    from pathlib import Path


# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
__all__ = ["machines"]

pytestmark = pytest.mark.timeout(3600)


def wait_for(text: str, machine: Machine, *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while text not in machine.console():
        assert time.monotonic() < deadline, machine.console()
        time.sleep(0.01)


def test_a_boot_ends_in_userspace(machines: Machines) -> None:
    with machines.boot() as machine:
        machines.wait_for_agent(machine)
        assert "Linux version 6.12" in machine.console()
        # The RAM is the file that would be saved.
        with machine.paused():
            assert b"Linux version" in machine.read(machines.image.physical("linux_banner"), 64)


def test_a_restored_machine_goes_on_and_leaves_the_state_alone(machines: Machines) -> None:
    state = machines.state()
    before = hashlib.sha256(state.ram.read_bytes()).digest()
    for _ in range(2):
        with machines.restore() as machine, machines.attacker(machine) as attacker:
            with pytest.raises(GuestError) as missing:
                attacker.open("/root/mark", os.O_RDONLY)
            assert missing.value.errno == ENOENT
            attacker.write_file("/root/mark", b"x" * 100_000, mode=0o600)
            assert len(attacker.read_file("/root/mark")) == 100_000
    assert hashlib.sha256(state.ram.read_bytes()).digest() == before
    assert state.ram.stat().st_mode & 0o222 == 0


def test_each_start_has_a_new_identity(machines: Machines) -> None:
    """The kernel reseeds its randomness from the generation id (rule 4)."""
    drawn = set()
    for _ in range(2):
        with machines.restore() as machine, machines.attacker(machine) as attacker:
            wait_for("crng reseeded due to virtual machine fork", machine)
            number = bytearray(16)
            attacker.syscall("getrandom", number, len(number), 0)
            drawn.add(bytes(number))
    assert len(drawn) == 2


def test_memory_is_read_and_written_by_physical_address(machines: Machines) -> None:
    """The kernel's own node name, changed from outside, is what the guest then sees."""
    address = machines.image.physical("init_uts_ns")
    with machines.restore() as machine, machines.attacker(machine) as attacker:
        with machine.paused():
            memory = machine.read(address, 1024)
            place = address + memory.index(b"(none)\0")
            machine.write(place, b"outside\0")
            assert machine.read(place, 8) == b"outside\0"
        names = bytearray(390)
        attacker.syscall("uname", names)
        assert names[65:130].rstrip(b"\0") == b"outside"


def test_a_large_range_is_read_whole(machines: Machines) -> None:
    """What two ways of reading agree on: the paused machine's RAM, and the file it came from."""
    with machines.state().ram.open("rb") as ram:
        ram.seek(machines.image.physical("linux_banner") & ~0xFFF)
        expected = ram.read(5000)
    with machines.restore() as machine, machine.paused():
        address = machines.image.physical("linux_banner") & ~0xFFF
        assert machine.read(address, 5000) == expected


def test_the_kernels_page_table_leads_to_the_kernel(machines: Machines) -> None:
    image = machines.image
    with machines.restore() as machine, machine.paused():
        top = image.physical("init_top_pgt")
        for name in ("linux_banner", "init_uts_ns"):
            assert machine.walk(top, image.symbol(name)) == image.physical(name)
        with pytest.raises(VmLost, match="maps nothing at 0x1000"):
            machine.walk(top, 0x1000)


def test_memory_that_is_not_there_is_no_memory(machines: Machines) -> None:
    size = machines.spec.memory_mib << 20
    with machines.restore() as machine:
        with machine.paused():
            assert len(machine.read(size - 8, 8)) == 8
            for address in (size - 7, 0xFEE0_0000, 1 << 60, -8):
                with pytest.raises(VmLost, match="no memory at"):
                    machine.read(address, 8)
                with pytest.raises(VmLost, match="no memory at"):
                    machine.write(address, bytes(8))
        # It was QEMU that was not asked, so it is none the worse.
        with machine.paused():
            machine.read(0, 8)
        with pytest.raises(ValueError, match="paused"):
            machine.read(0, 8)


def test_a_paused_guest_stands_still_and_then_goes_on(machines: Machines) -> None:
    jiffies = machines.image.physical("jiffies_64")
    with machines.restore() as machine:
        with machine.paused():
            first = machine.read(jiffies, 8)
            time.sleep(0.05)
            assert machine.read(jiffies, 8) == first
            with machine.paused():
                assert machine.read(jiffies, 8) == first
        deadline = time.monotonic() + 60
        while first == _now(machine, jiffies):
            assert time.monotonic() < deadline


def _now(machine: Machine, address: int) -> bytes:
    with machine.paused():
        return machine.read(address, 8)


def test_an_error_while_paused_does_not_leave_it_paused(machines: Machines) -> None:
    with machines.restore() as machine, machines.attacker(machine) as attacker:
        with pytest.raises(ZeroDivisionError), machine.paused():
            raise ZeroDivisionError
        attacker.getpid()


def test_several_threads_have_a_machine_each(machines: Machines) -> None:
    machines.state()
    together = threading.Barrier(3, timeout=60)

    def one(number: int) -> bytes:
        with machines.restore() as machine, machines.attacker(machine) as attacker:
            together.wait()
            attacker.write_file("/root/mine", b"%d" % number, mode=0o600)
            for _ in range(20):
                with machine.paused():
                    machine.read(0x100000, 4096)
            return attacker.read_file("/root/mine")

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(one, range(3))) == [b"0", b"1", b"2"]


def test_nothing_is_left_of_a_machine(machines: Machines) -> None:
    machines.state()

    def held() -> tuple[int, int, list[Path]]:
        left = machines.left()
        return len(os.listdir("/proc/self/fd")), threading.active_count(), left  # noqa: PTH208

    before = held()
    assert not before[2]
    with machines.restore() as machine:
        pid = machine.pid
        assert held() > before
    assert held() == before
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("name", ["ram", "device"])
def test_a_damaged_state_is_a_lost_machine(machines: Machines, tmp_path: Path, name: str) -> None:
    whole = machines.state()
    for path in (whole.ram, whole.device, whole.directory / "placement.json"):
        shutil.copyfile(path, tmp_path / path.name)
    os.truncate(tmp_path / name, 20_000)
    tmp_path.chmod(0o700)
    damaged = SavedState(tmp_path)
    with (
        pytest.raises(VmLost, match=r"^QEMU ended with 1: ."),
        Machine.restore(machines.spec, machines.accelerator, damaged),
    ):
        pass
    shutil.rmtree(tmp_path)
    with (
        pytest.raises(VmLost, match="cannot be started"),
        Machine.restore(machines.spec, machines.accelerator, damaged),
    ):
        pass


def test_workers_make_a_state_once(machines: Machines) -> None:
    spec = replace(machines.spec, name="once")
    made: list[int] = []

    def ready(machine: Machine) -> None:
        machines.wait_for_agent(machine)
        made.append(machine.pid)

    def get(_: int) -> SavedState:
        return saved_state(spec, machines.accelerator, ready=ready)

    with ThreadPoolExecutor(3) as pool:
        states = set(pool.map(get, range(3)))
    assert len(states) == 1
    assert len(made) == 1


def test_a_state_whose_qemu_crashes_is_made_again(machines: Machines) -> None:
    spec = replace(machines.spec, name="crashed")
    pids: list[int] = []

    def ready(machine: Machine) -> None:
        pids.append(machine.pid)
        if len(pids) == 1:
            os.kill(machine.pid, signal.SIGABRT)
        machines.wait_for_agent(machine)

    saved_state(spec, machines.accelerator, ready=ready)
    assert len(set(pids)) == 2


def test_a_state_from_which_no_machine_goes_on_is_made_again(machines: Machines) -> None:
    spec = replace(machines.spec, name="stuck")
    booted: list[int] = []
    restored: list[int] = []

    def ready(machine: Machine) -> None:
        machines.wait_for_agent(machine)
        booted.append(machine.pid)

    def goes_on(machine: Machine) -> None:
        machines.wait_for_agent(machine)
        restored.append(machine.pid)
        if len(restored) == 1:
            raise Silent("no first right reply within 15 s", alive=True)

    state = saved_state(spec, machines.accelerator, ready=ready, goes_on=goes_on)
    assert len(booted) == len(restored) == 2
    assert state == saved_state(spec, machines.accelerator, ready=ready, goes_on=goes_on)
    assert len(booted) == 2, "a good state is tried once"


def test_a_state_from_which_no_machine_ever_goes_on_is_not_there(machines: Machines) -> None:
    spec = replace(machines.spec, name="always-stuck")

    def goes_on(_: Machine) -> None:
        raise Silent("no first right reply within 15 s", alive=True)

    with pytest.raises(BadState, match="no machine goes on from the saved state: no first right"):
        saved_state(spec, machines.accelerator, ready=lambda _: None, goes_on=goes_on)
    assert not list((machines.cache / "states" / "always-stuck").iterdir())


def test_a_state_that_is_not_reached_is_not_there(machines: Machines) -> None:
    spec = replace(machines.spec, name="never")

    def ready(_: Machine) -> None:
        raise VmLost("no warm handler within 1 s")

    with pytest.raises(VmLost, match="no warm handler"):
        saved_state(spec, machines.accelerator, ready=ready)
    assert not list((machines.cache / "states" / "never").iterdir())
