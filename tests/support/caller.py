# SPDX-License-Identifier: GPL-2.0-only
"""A process in the guest whose system calls may block; those of the agent may not."""

from __future__ import annotations

import os
import time
from os import WNOHANG
from signal import SIGTRAP
from typing import TYPE_CHECKING

from harness.attacker.agent.protocol import ARENA
from harness.attacker.agent.syscalls import NUMBERS
from harness.attacker.agent.tracee import (
    PTRACE_INTERRUPT,
    PTRACE_O_TRACESYSGOOD,
    PTRACE_SEIZE,
    PTRACE_SYSCALL,
    WALL,
    Tracee,
)

if TYPE_CHECKING:
    from harness.attacker import Attacker

POLL_SECONDS = 0.02
_ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
_SYSCALL_STOP = SIGTRAP | 0x80


class Caller:
    """A child of the agent, with its descriptors, that makes one system call after another.

    It is a fork that calls pause(2) for ever; each pause is turned, on its entry, into the call
    that is wanted. `signals` are those that came to be delivered, which they then are not.
    """

    def __init__(self, attacker: Attacker) -> None:
        self._attacker = attacker
        self.pid = attacker.fork()
        self.signals: list[int] = []
        self._tracee = Tracee(attacker, self.pid)
        attacker.ptrace(PTRACE_SEIZE, self.pid, 0, PTRACE_O_TRACESYSGOOD)
        attacker.ptrace(PTRACE_INTERRUPT, self.pid)
        self._tracee.wait()
        self._tracee.run_to_entry("pause")

    def start(self, call: str, *args: int | bytes) -> None:
        """Start a system call, without waiting for its end."""
        registers, at = self._tracee.registers(), ARENA
        registers["orig_rax"] = NUMBERS[call]
        for name, arg in zip(_ARGUMENTS, args, strict=False):
            if isinstance(arg, bytes):
                self._tracee.poke(at, arg)
                registers[name] = at
                at += (len(arg) + 15) & ~15
            else:
                registers[name] = arg
        self._tracee.set_registers(registers)
        self._attacker.ptrace(PTRACE_SYSCALL, self.pid)

    def finish(self, *, seconds: float = 60) -> int:
        """Wait for the running call's end; return its raw result, negative for an errno."""
        status = self.status(seconds=seconds)
        assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == _SYSCALL_STOP, hex(status)
        result = self._tracee.registers()["rax"]
        self._to_pause()
        return result - (1 << 64) if result >> 63 else result

    def call(self, call: str, *args: int | bytes) -> int:
        """Make a system call that ends soon; return its raw result."""
        self.start(call, *args)
        return self.finish()

    def status(self, *, seconds: float = 60) -> int:
        """Wait until the process stops or ends; return its wait status."""
        deadline = time.monotonic() + seconds
        while True:
            pid, status = self._attacker.waitpid(self.pid, WNOHANG | WALL)
            if pid:
                return status
            assert time.monotonic() < deadline, f"no end of the call within {seconds:g} s"
            time.sleep(POLL_SECONDS)

    def is_busy(self) -> bool:
        """Return whether the running call sleeps; the call must not end by itself."""
        while True:
            stat = self._attacker.read_file(f"/proc/{self.pid}/stat")
            if (state := stat.rpartition(b")")[2].split()[0]) != b"R":  # on its way there
                return state in (b"S", b"D")

    def _to_pause(self) -> None:
        while True:
            self._attacker.ptrace(PTRACE_SYSCALL, self.pid)
            signal = os.WSTOPSIG(self._tracee.wait())
            if signal == _SYSCALL_STOP:
                return
            self.signals.append(signal)
