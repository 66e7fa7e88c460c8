# SPDX-License-Identifier: GPL-2.0-only
"""The guest's own breakpoints work while the gdbstub is attached, and never stop the machine."""

from __future__ import annotations

import io
import os
from signal import SIGTRAP
from typing import TYPE_CHECKING

import pytest
from elftools.elf.elffile import ELFFile
from vm_machines import Machines, machines

from harness.host.errors import VmLost

if TYPE_CHECKING:
    from harness.vm.machine import Machine

__all__ = ["machines"]

pytestmark = pytest.mark.timeout(3600)

PTRACE_POKEUSER, PTRACE_SINGLESTEP = 6, 9
DEBUG_REGISTERS = 848
"""offsetof(struct user, u_debugreg), arch/x86/include/asm/user_64.h."""
EXECUTE_0 = 1
"""In DR7: break on execution at DR0."""
TRACING = "/sys/kernel/tracing"
CODE = bytes.fromhex("90 cc 90 90 eb fe")
"""nop; int3; nop; nop; jmp to itself."""


def running(machine: Machine) -> None:
    """Fail if anything has stopped the machine."""
    with machine.paused():
        machine.read(0, 8)


def test_int3_steps_and_debug_registers_are_the_guests(machines: Machines) -> None:
    with machines.restore() as machine, machines.attacker(machine) as attacker:
        with attacker.seize(attacker.fork()) as tracee:
            start = tracee.registers()["rip"] & ~0xFFF
            tracee.poke(start, CODE)
            tracee.set_registers({**tracee.registers(), "rip": start, "orig_rax": 2**64 - 1})

            attacker.ptrace(PTRACE_SINGLESTEP, tracee.pid)
            assert os.WSTOPSIG(tracee.wait()) == SIGTRAP
            assert tracee.registers()["rip"] == start + 1
            tracee.cont()
            assert os.WSTOPSIG(tracee.wait()) == SIGTRAP
            assert tracee.registers()["rip"] == start + 2

            attacker.ptrace(PTRACE_POKEUSER, tracee.pid, DEBUG_REGISTERS, start + 4)
            attacker.ptrace(PTRACE_POKEUSER, tracee.pid, DEBUG_REGISTERS + 7 * 8, EXECUTE_0)
            tracee.cont()
            assert os.WSTOPSIG(tracee.wait()) == SIGTRAP
            assert tracee.registers()["rip"] == start + 4
        running(machine)


def test_kprobes_and_uprobes_are_the_guests(machines: Machines) -> None:
    with machines.restore() as machine, machines.attacker(machine) as attacker:
        busybox = attacker.read_file("/bin/busybox")
        attacker.write_file(f"{TRACING}/kprobe_events", b"p:vm/k do_sys_openat2")
        attacker.write_file(
            f"{TRACING}/uprobe_events", b"p:vm/u /bin/busybox:%#x" % _entry(busybox)
        )
        attacker.write_file(f"{TRACING}/events/vm/enable", b"1")
        attacker.waitpid(attacker.spawn("/bin/busybox", "true"))
        trace = attacker.read_file(f"{TRACING}/trace").decode()
        assert " k: (do_sys_openat2" in trace
        assert " u: (0x" in trace
        running(machine)


def _entry(program: bytes) -> int:
    """The file offset of a program's first instruction."""
    elf = ELFFile(io.BytesIO(program))
    return int(next(elf.address_offsets(elf["e_entry"])))


def test_a_machine_that_stops_by_itself_is_lost(machines: Machines) -> None:
    """Set a breakpoint through the gdbstub, which no guest can do."""
    with machines.restore() as machine, machines.attacker(machine, seconds=5) as attacker:
        with machine.paused():
            where = machines.image.symbol("do_sys_openat2")
            machine._gdbstub._expect_ok(f"Z0,{where:x},1")
        with pytest.raises(VmLost):
            attacker.open("/", os.O_RDONLY)
        with pytest.raises(VmLost, match="stopped by themselves: debug"):
            machine.pause()
