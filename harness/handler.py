# SPDX-License-Identifier: GPL-2.0-only
"""The handler as a scenario sees it: what it says comes from kernel memory, not the guest."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile

from harness.witness.tally import Command

if TYPE_CHECKING:
    from harness.kernel.images import KernelImage
    from harness.variants import Variant
    from harness.vm.machine import Machine
    from harness.witness.reader import Witness
    from harness.witness.tally import Tally

PROGRAM = "umd_witness_umh"

FIRST_ROUNDS = struct.pack("<2I", 0x428A2F98, 0x71374491)
"""What a process's and a thread's code have in common: SHA-256's first round constants
(FIPS 180-4, 4.2.2). With others they compute something else."""


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


class Handler:
    """The process (or kernel thread) under attack. `restarts` counts those that were asked for."""

    name = PROGRAM
    request_size = reply_size = 56
    """Bytes in a message: struct witness_message (overlay/kernel/umd_witness/message.h)."""

    def __init__(
        self, variant: Variant, machine: Machine, image: KernelImage, witness: Witness
    ) -> None:
        self._variant = variant
        self._machine = machine
        self._image = image
        self._witness = witness
        self.restarts = 0

    @property
    def loader(self) -> str:
        """The module that carries the handler."""
        return self._variant.loader

    @property
    def pid(self) -> int:
        """The pid of the handler that runs now."""
        return self._witness.read().pid

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

    def wait_for_request(self, *, seconds: float = 10) -> None:
        """Return once the handler, restarted if need be, has answered a request sent after this.

        The next right reply may belong to one that is under way: the one after it does not.
        """
        right = self._witness.read().count.right
        self._witness.wait(
            lambda tally: tally.count.right > right + 1, seconds=seconds, what="further right reply"
        )

    def restart(self) -> None:
        """Have the kernel end the handler; return once it has started another, or tried to."""
        before = self._witness.read()
        starts, failed = before.count.starts, before.count.failed
        self.restarts += self._witness.obey(Command.RESTART).exits > before.exits
        self._witness.wait(
            lambda t: t.count.starts > starts or t.count.failed > failed, seconds=10, what="start"
        )

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
