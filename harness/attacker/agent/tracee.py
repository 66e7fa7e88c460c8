# SPDX-License-Identifier: GPL-2.0-only
"""A process that the attacker traces with ptrace(2)."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from signal import SIGTRAP
from typing import TYPE_CHECKING, Protocol

from harness.attacker.agent.syscalls import NUMBERS
from harness.host.errors import VmLost

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self
PTRACE_PEEKDATA = 2
PTRACE_POKEDATA = 5
PTRACE_CONT = 7
PTRACE_GETREGS = 12
PTRACE_SETREGS = 13
PTRACE_DETACH = 17
PTRACE_SYSCALL = 24
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
PTRACE_GET_SYSCALL_INFO = 0x420E
PTRACE_O_TRACESYSGOOD = 1
PTRACE_O_SUSPEND_SECCOMP = 1 << 21

WALL = 0x40000000
_SYSCALL_STOP = SIGTRAP | 0x80
_SYSCALL_ENTRY = 1
_SIGNED = 1 << 63
_SYSCALL_SIZE = 2
"""Bytes of the `syscall` instruction. Setting rip back by as many repeats the call."""

# struct ptrace_syscall_info of include/uapi/linux/ptrace.h, up to entry.nr
_SYSCALL_INFO = struct.Struct("<B3xIQQQ")

# struct user_regs_struct of arch/x86/include/asm/user_64.h
_REGISTERS = struct.Struct("<27Q")
_REGISTERS_IN_ORDER = (
    "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
    "fs_base gs_base ds es fs gs"
)
_REGISTER_NAMES = _REGISTERS_IN_ORDER.split()
_WORD = 8


class Tracer(Protocol):
    """The system calls of the tracing process, as Attacker has them."""

    def syscall(self, call: str, /, *args: int | bytearray | bytes) -> int:
        """Make a system call; return its result."""

    def ptrace(self, request: int, pid: int, address: int = 0, data: int = 0, /) -> int:
        """Make the system call ptrace(2); return its result."""

    def waitpid(self, pid: int, options: int = 0, /) -> tuple[int, int]:
        """Wait for a tracee; return its pid and its wait status."""


class Tracee:
    """A traced process. It is seized and stopped in the `with` block, and detached at its end.

    All methods need the tracee stopped, and raise GuestError, with the errno of ptrace(2) or
    wait4(2), and VmLost.
    """

    def __init__(self, attacker: Tracer, pid: int, options: int = 0) -> None:
        self._attacker = attacker
        self.pid = pid
        """The tracee's pid."""
        self._options = PTRACE_O_TRACESYSGOOD | options

    def __enter__(self) -> Self:
        attacker = self._attacker
        attacker.ptrace(PTRACE_SEIZE, self.pid, 0, self._options)
        attacker.ptrace(PTRACE_INTERRUPT, self.pid)
        self.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._attacker.ptrace(PTRACE_DETACH, self.pid)
            return
        # The error of the block is the one to report, not a failure to detach after it.
        with suppress(OSError, VmLost):
            self._attacker.ptrace(PTRACE_DETACH, self.pid)

    def wait(self) -> int:
        """Wait until the tracee stops or ends; return its wait status."""
        return self._attacker.waitpid(self.pid, WALL)[1]

    def cont(self, signal: int = 0) -> None:
        """Let the tracee run (PTRACE_CONT), and deliver `signal` to it unless that is 0."""
        self._attacker.ptrace(PTRACE_CONT, self.pid, 0, signal)

    def run_to_entry(self, call: str = "") -> None:
        """Let the tracee run until it enters the system call named `call`, or any if empty.

        Signals that stop the tracee are delivered. Raises GuestError with ESRCH if the tracee
        ends first, and VmLost if it does not make the call before the channel's deadlines.
        """
        signal = 0
        while True:
            self._attacker.ptrace(PTRACE_SYSCALL, self.pid, 0, signal)
            status = self.wait()
            signal = _to_deliver(status)
            entered = self._entered() if _at_syscall(status) else None
            if entered is not None and (not call or entered == NUMBERS[call]):
                return

    def call_before(self, call: str, **arguments: int) -> int:
        """Make the tracee, at the entry of a system call, make the one named `call` first.

        `arguments` are values of registers, such as `rdi`; the other registers keep those of the
        call that was entered. Afterwards the tracee repeats that call. Return the result of the
        injected call, negative for an errno.
        """
        entered = self.registers()
        self.set_registers(entered | arguments | {"orig_rax": NUMBERS[call]})
        self._attacker.ptrace(PTRACE_SYSCALL, self.pid, 0, 0)
        self.wait()
        result = self.registers()["rax"]
        again = {"rax": entered["orig_rax"], "rip": entered["rip"] - _SYSCALL_SIZE}
        self.set_registers(entered | again)
        return result - 2 * (result & _SIGNED)

    def peek(self, address: int, size: int) -> bytes:
        """Read `size` bytes of the tracee's memory by 8-byte words (PTRACE_PEEKDATA)."""
        words = [self._peek_word(at) for at in range(address, address + size, _WORD)]
        return b"".join(words)[:size]

    def poke(self, address: int, data: bytes) -> None:
        """Write `data` to the tracee's memory by 8-byte words (PTRACE_POKEDATA).

        A partial last word is read first, so that the bytes behind `data` keep their value.
        """
        for at in range(0, len(data), _WORD):
            word = data[at : at + _WORD]
            if len(word) < _WORD:
                word += self._peek_word(address + at)[len(word) :]
            value = int.from_bytes(word, "little")
            self._attacker.ptrace(PTRACE_POKEDATA, self.pid, address + at, value)

    def registers(self) -> dict[str, int]:
        """Return the registers by their names in `struct user_regs_struct` (PTRACE_GETREGS)."""
        values = _REGISTERS.unpack(self._read(PTRACE_GETREGS, 0, _REGISTERS.size))
        return dict(zip(_REGISTER_NAMES, values, strict=True))

    def set_registers(self, registers: dict[str, int]) -> None:
        """Set all registers, by the names that `registers` returns (PTRACE_SETREGS)."""
        data = _REGISTERS.pack(*(registers[name] for name in _REGISTER_NAMES))
        self._attacker.syscall("ptrace", PTRACE_SETREGS, self.pid, 0, data)

    def _entered(self) -> int | None:
        """Return the number of the system call that is entered; None at a system call's exit."""
        info = self._read(PTRACE_GET_SYSCALL_INFO, _SYSCALL_INFO.size, _SYSCALL_INFO.size)
        kind, _, _, _, number = _SYSCALL_INFO.unpack(info)
        return int(number) if kind == _SYSCALL_ENTRY else None

    def _peek_word(self, address: int) -> bytes:
        # The raw system call stores the word at `data`; the C library's wrapper returns it.
        return self._read(PTRACE_PEEKDATA, address, _WORD)

    def _read(self, request: int, address: int, size: int) -> bytes:
        data = bytearray(size)
        self._attacker.syscall("ptrace", request, self.pid, address, data)
        return bytes(data)


def _at_syscall(status: int) -> bool:
    return os.WIFSTOPPED(status) and os.WSTOPSIG(status) == _SYSCALL_STOP


def _to_deliver(status: int) -> int:
    """Return the signal that caused a stop; 0 for a stop at an event or a system call."""
    event = status >> 16
    if not os.WIFSTOPPED(status) or event or _at_syscall(status):
        return 0
    return os.WSTOPSIG(status)
