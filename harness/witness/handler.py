# SPDX-License-Identifier: GPL-2.0-only
"""The handler as a scenario sees it: what it says comes from kernel memory, not the guest."""

from __future__ import annotations

import struct
import time
from enum import IntEnum
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile

from harness.host.errors import VmLost
from harness.witness.tally import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.kernel.build.images import KernelImage
    from harness.model.variants import Variant
    from harness.vm.machine import Machine
    from harness.witness.reader import Witness
    from harness.witness.tally import Tally

PROGRAM = "umd_witness_umh"

FIRST_ROUNDS = struct.pack("<2I", 0x428A2F98, 0x71374491)
"""What a process's and a thread's code have in common: SHA-256's first round constants
(FIPS 180-4, 4.2.2). With others they compute something else."""

HEARTBEAT = 10_000_000
"""Nanoseconds from one beat to the next (heartbeat() of the witness)."""

_STARTTIME = 22

RECORD = 2048
"""Bytes of a `struct task_struct` in which the scheduler keeps what it needs."""


class WayOut(IntEnum):
    """What the handler with a backdoor can try (overlay/kernel/umd_witness/message.h)."""

    OPENAT = 1
    INT80 = 2
    X32 = 3
    IO_URING = 4
    SIGRETURN = 5
    STACK = 6
    FLOOD = 7
    OVERSIZED = 8
    LATE = 9
    INT80_READ = 10


def start_time(stat: bytes) -> int:
    """Field 22 of a process's stat. Its name, which is the second, may hold anything."""
    return int(stat.rpartition(b")")[2].split()[_STARTTIME - 3])


class Handler:
    """The process (or kernel thread) under attack. `restarts` counts those that were asked for.

    `start` is when it was started, in clock ticks after boot, as `note_start` found it. An attack
    that is `anywhere` has arrived whoever is the object of the function that proves it.
    """

    name = PROGRAM
    request_size = reply_size = 56
    """Bytes in a message: struct witness_message (overlay/kernel/umd_witness/message.h)."""

    def __init__(
        self,
        variant: Variant,
        machine: Machine,
        image: KernelImage,
        witness: Witness,
        *,
        anywhere: bool = False,
    ) -> None:
        self._variant = variant
        self._machine = machine
        self._image = image
        self._witness = witness
        self._anywhere = anywhere
        self.restarts = 0
        self.start = 0

    @property
    def loader(self) -> str:
        """The module that carries the handler."""
        return self._variant.loader

    @property
    def pid(self) -> int:
        """The pid of the handler that runs now."""
        return self._witness.read().pid

    def note_start(self, attacker: Attacker) -> None:
        """Read from the guest when it was started: field 22 of /proc/<pid>/stat (proc_pid_stat(5)).

        The kernel asks ptrace's check about whoever reads that file: do it before what is watched.
        """
        self.start = start_time(attacker.read_file(f"/proc/{self.pid}/stat"))

    def symbol(self, name: str) -> int:
        """The address of one of the handler's variables: secret, chain, request or reply."""
        return self._image.handler_symbol(PROGRAM, name)

    def offset(self, name: str) -> int:
        """Where one of the handler's symbols lies in its file."""
        with (self._image.handlers / PROGRAM).open("rb") as file:
            return int(next(ELFFile(file).address_offsets(self.symbol(name))))

    def physical(self, name: str) -> int:
        """The physical address of `chain` or, of a process, of another variable.

        The host walks the page table that the witness names; root would have to search.
        """
        tally = self._witness.read()
        with self._machine.paused():
            return self._physical(tally, name)

    def is_accessed(self, name: str) -> bool:
        """Whether the processor noted an access of the page of one of a process's variables."""
        table = self._witness.read().page_table
        with self._machine.paused():
            return self._machine.is_accessed(table, self.symbol(name))

    def maps(self, address: int) -> bool:
        """Whether a process has memory at this address."""
        table = self._witness.read().page_table
        try:
            with self._machine.paused():
                self._machine.walk(table, address)
        except VmLost:
            return False
        return True

    def has_on_record(self, number: int) -> bool:
        """Whether the kernel's record of it, its `struct task_struct`, has that 64-bit number now.

        The host looks from outside: of a number such as a count of nanoseconds, that is proof.
        """
        watched = self._image.physical("watched") + self._machine.load_offset
        tally = self._witness.read()
        with self._machine.paused():
            task = int.from_bytes(self._machine.read(watched, 8), "little")
            record = self._machine.read(self._machine.walk(tally.page_table, task), RECORD)
        return (number,) in struct.iter_unpack("<Q", record)

    def has_kernel_symbol_at(self, address: int, kernel_symbol: str) -> bool:
        """Whether that symbol of the kernel is what lies at a virtual address."""
        linked = self._image.physical(kernel_symbol) + self._machine.load_offset
        tally = self._witness.read()
        with self._machine.paused():
            return self._machine.walk(tally.page_table, address) == linked

    def node(self, name: str) -> int:
        """The memory node that one of its variables lies on: of two, each has half of memory."""
        return int(self.physical(name) >= self._machine.memory_size // 2)

    def requests(self) -> set[int]:
        """The numbers of the latest requests."""
        return {record.number for record in self._witness.read().records}

    def has_lied(self) -> bool:
        """Whether any reply was wrong so far."""
        return self._witness.read().count.wrong > 0

    def wait_for_request(self, *, seconds: float = 10) -> None:
        """Return once the handler, restarted if need be, has answered a request sent after this.

        The next right reply may belong to one that is under way: the one after it does not.
        """
        right = self._witness.read().count.right
        self._witness.wait(
            lambda tally: tally.count.right > right + 1, seconds=seconds, what="further right reply"
        )

    def wait_for_arrival(self, *, seconds: float = 10) -> None:
        """Return once the function that proves the attack's arrival has been called for it."""

        def has_arrived(tally: Tally) -> bool:
            seen = tally.named[0]
            return seen.on_handler > 0 or (self._anywhere and seen.elsewhere > 0)

        self._witness.wait(has_arrived, seconds=seconds, what="arrival of the attack")

    def wait_for_silence(self, *, silent: float = 1.2, seconds: float = 10) -> None:
        """Return once a request has been unanswered for `silent` seconds: too late for it."""
        right, since = -1, 0.0

        def is_silent(tally: Tally) -> bool:
            nonlocal right, since
            if tally.count.right != right:
                right, since = tally.count.right, time.monotonic()
            return time.monotonic() - since > silent

        self._witness.wait(is_silent, seconds=seconds, what="late reply")

    def press_power_button(self) -> None:
        """Press the machine's power button, as anybody who stands before it can."""
        self._machine.press_power_button()

    def let_pass(self, nanoseconds: int) -> None:
        """Return once so much of the guest's time has passed, as its heart counts it."""
        end = self._witness.read().heartbeat + nanoseconds // HEARTBEAT
        self._witness.wait(lambda tally: tally.heartbeat >= end, seconds=30, what="beat so late")

    def wait_for_failure(self, *, seconds: float = 10) -> None:
        """Return once a request has failed, or the start of who would answer it."""
        failed = self._witness.read().count.failed
        self._witness.wait(lambda t: t.count.failed > failed, seconds=seconds, what="failure")

    def wait_for_rewind(self, *, seconds: float = 8) -> None:
        """Return once the whole machine has gone back to an earlier moment of its life."""
        latest = 0

        def is_earlier(tally: Tally) -> bool:
            nonlocal latest
            latest = max(latest, tally.heartbeat)
            return tally.heartbeat < latest

        self._witness.wait(is_earlier, seconds=seconds, what="return to an earlier moment")

    def restart(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Have the kernel end the handler; return once it has started another, or tried to.

        `meanwhile` is called first, and again until it has.
        """
        before = self._witness.read()
        starts, failed = before.count.starts, before.count.failed

        def is_done(tally: Tally) -> bool:
            if tally.count.starts > starts or tally.count.failed > failed:
                return True
            meanwhile()
            return False

        self.restarts += self._witness.obey(Command.RESTART).exits > before.exits
        self._witness.wait(is_done, seconds=10, what="start")

    def flip_byte(self) -> None:
        """Change one byte of the handler's state from outside the guest."""
        tally = self._witness.read()
        with self._machine.paused():
            address = self._physical(tally, "chain")
            byte = self._machine.read(address, 1)
            self._machine.write(address, bytes([byte[0] ^ 0xFF]))

    def break_out(self, way: WayOut) -> None:
        """Have code inside the handler try a way out; whether it got away, the witness saw.

        It takes a handler with a backdoor in place of the honest one: the next start's.
        """
        self._witness.obey(Command.OPEN_BACKDOOR)
        self.wait_for_request()
        self._witness.obey(Command.TRY_ESCAPE, argument=way)

    def _physical(self, tally: Tally, name: str) -> int:
        # A thread's chain lies in a module, wherever that was loaded: the witness says so.
        known = tally.chain if name == "chain" else 0
        return self._machine.walk(tally.page_table, known or self.symbol(name))
