# SPDX-License-Identifier: GPL-2.0-only
"""The handler as a scenario sees it, by facts from kernel memory, not from guest userspace."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile

from harness.host.errors import VmLost
from harness.model.handlers import BACKDOOR, HASH
from harness.vm.guest_ram import PAGE
from harness.witness.tally import WitnessCommand

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.kernel.build.images import KernelImage
    from harness.model.variants import Variant
    from harness.vm.machine import Machine
    from harness.witness.reader import Witness
    from harness.witness.tally import Tally


FIRST_ROUNDS = struct.pack("<2I", 0x428A2F98, 0x71374491)
"""The first round constants of SHA-256 (FIPS 180-4, 4.2.2). The code of a handler process and that
of a handler thread both contain them; with other constants they compute wrong replies."""

HEARTBEAT = 10_000_000
"""The heartbeat's period in nanoseconds (heartbeat() of the witness)."""

SILENCE_NS = 1_200_000_000
"""`Handler.wait_for_silence` waits as long. A reply after it is late (SLOW_NS)."""

_STARTTIME = 22

RECORD = 2048
"""Bytes at the start of a `struct task_struct` that contain the scheduler's fields."""


_MAKE_CALL = 12
_CALL = struct.Struct("<B?2xI3Q")
"""struct witness_call (overlay/kernel/umd_witness/message.h), which begins with `_MAKE_CALL`."""


class WayOut(IntEnum):
    """The escapes that a handler with a backdoor can try (overlay/kernel/umd_witness/message.h)."""

    OPENAT = 1
    """The system call openat(2)."""
    INT80 = 2
    """A 32-bit system call by int 0x80."""
    X32 = 3
    """A system call of the x32 ABI."""
    IO_URING = 4
    """A request through io_uring."""
    SIGRETURN = 5
    """rt_sigreturn(2) with a forged frame."""
    STACK = 6
    """Execution of code on its stack."""
    FLOOD = 7
    """More replies than requests."""
    OVERSIZED = 8
    """A reply that is too long."""
    LATE = 9
    """A reply after the deadline."""
    INT80_READ = 10
    """read(2) by int 0x80."""
    INT80_NONE = 11
    """int 0x80 with -1, the number of no system call."""


def start_time(stat: bytes) -> int:
    """Return field 22, the start time in clock ticks after boot, of a /proc/<pid>/stat.

    The second field, the process's name, may contain any bytes.
    """
    return int(stat.rpartition(b")")[2].split()[_STARTTIME - 3])


class Handler:
    """The process or kernel thread under attack.

    If `anywhere`, a call of the function that proves the attack's arrival counts whatever its
    arguments; otherwise the handler must be among them. All methods raise VmLost if the machine
    is lost. Those that wait raise Silent, which is a VmLost, when their deadline has passed or
    the guest's heartbeat has stopped.
    """

    name = HASH.program
    """The name of the handler's process, whatever its program is."""
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
        """How many handlers have ended by `restart`."""
        self.start = 0
        """Its start time in clock ticks after boot, as of `note_start`."""
        self.program = variant.kind.program
        """The program that the latest handler runs, unless it is a kernel thread."""

    @property
    def loader(self) -> str:
        """The name of the module that carries the handler's program."""
        return self._variant.loader

    @property
    def is_thread(self) -> bool:
        """Whether the variant's handler is a kernel thread."""
        return self._variant.is_thread

    @property
    def pid(self) -> int:
        """The current handler's pid, from the tally."""
        return self._witness.read().pid

    def note_start(self, attacker: Attacker) -> None:
        """Read the handler's start time from the guest, into `start` (proc_pid_stat(5), field 22).

        To read that file the kernel performs a ptrace access check, which the witness would count:
        call this before the attack.
        """
        self.start = start_time(attacker.read_file(f"/proc/{self.pid}/stat"))

    def symbol(self, name: str) -> int:
        """Return the virtual address of a symbol of the handler's program.

        Its variables are `secret`, `chain`, `request` and `reply`. Raises UserError for an unknown
        name.
        """
        return self._image.handler_symbol(self._variant.kind.program, name)

    def offset(self, name: str) -> int:
        """Return the file offset of a symbol in the handler's program."""
        with (self._image.handlers / self._variant.kind.program).open("rb") as file:
            return int(next(ELFFile(file).address_offsets(self.symbol(name))))

    def first_mapping(self) -> str:
        """Return the name of the program's first mapping, as in /proc/<pid>/map_files."""
        with (self._image.handlers / self._variant.kind.program).open("rb") as file:
            segment = next(ELFFile(file).iter_segments("PT_LOAD"))
            start, end = segment["p_vaddr"], segment["p_vaddr"] + segment["p_memsz"]
        return f"{start // PAGE * PAGE:x}-{-(-end // PAGE) * PAGE:x}"

    def physical(self, name: str) -> int:
        """Return the physical address of a variable, by the handler's page table.

        For a handler that is a kernel thread only `chain` is known. The host finds the page table
        through the witness; root would have to search for it.
        """
        tally = self._witness.read()
        with self._machine.paused():
            return self._physical(tally, name)

    def state_address(self) -> int:
        """Return the physical address of the handler's hash chain; 0 if no handler has it now."""
        try:
            return self.physical("chain")
        except VmLost:
            return 0

    def is_accessed(self, name: str) -> bool:
        """Return the accessed bit of the page that has a variable of a handler process."""
        table = self._witness.read().page_table
        with self._machine.paused():
            return self._machine.is_accessed(table, self.symbol(name))

    def maps(self, address: int) -> bool:
        """Return whether a handler process has a page at this virtual address."""
        table = self._witness.read().page_table
        try:
            with self._machine.paused():
                self._machine.walk(table, address)
        except VmLost:
            return False
        return True

    def has_on_record(self, number: int) -> bool:
        """Return whether the handler's `struct task_struct` contains this 64-bit number now.

        For a number that does not occur by chance, such as a time in nanoseconds, that proves
        that the attacker read it from the handler.
        """
        watched = self._image.physical("watched") + self._machine.load_offset
        tally = self._witness.read()
        with self._machine.paused():
            task = int.from_bytes(self._machine.read(watched, 8), "little")
            record = self._machine.read(self._machine.walk(tally.page_table, task), RECORD)
        return (number,) in struct.iter_unpack("<Q", record)

    def has_kernel_symbol_at(self, address: int, kernel_symbol: str) -> bool:
        """Return whether virtual address `address` is mapped to that symbol of the kernel."""
        linked = self._image.physical(kernel_symbol) + self._machine.load_offset
        tally = self._witness.read()
        with self._machine.paused():
            return self._machine.walk(tally.page_table, address) == linked

    def node(self, name: str) -> int:
        """Return the memory node of a variable: 0, or 1 for the upper half of memory."""
        return int(self.physical(name) >= self._machine.memory_size // 2)

    def requests(self) -> set[int]:
        """Return the numbers of the latest requests, at most 128."""
        return {record.number for record in self._witness.read().records}

    def has_lied(self) -> bool:
        """Return whether any reply was wrong so far."""
        return self._witness.read().count.wrong > 0

    def wait_for_request(self, *, seconds: float = 10) -> None:
        """Wait until the handler has correctly answered a request sent after this call.

        That takes two correct replies, because the first may answer an earlier request. A dead
        handler is restarted by the next request.
        """
        right = self._witness.read().count.right
        self._witness.wait(
            lambda tally: tally.count.right > right + 1, seconds=seconds, what="further right reply"
        )

    def wait_for_reply(self) -> None:
        """Wait until the handler has replied, right or wrong, to a request sent after this call.

        That takes two replies, as with `wait_for_request`.
        """
        before = self._witness.read().count
        self._witness.wait(
            lambda tally: tally.count.right + tally.count.wrong > before.right + before.wrong + 1,
            seconds=10,
            what="further reply",
        )

    def wait_for_arrival(self, *, seconds: float = 60) -> None:
        """Wait until the function that proves the attack's arrival has been called.

        That is the function of the scenario's `reach`, with the handler among its arguments
        unless the scenario's target is another. On a busy host, an attack that uses up
        the memory may take longer than ten seconds to arrive.
        """

        def has_arrived(tally: Tally) -> bool:
            seen = tally.named[0]
            return seen.on_handler > 0 or (self._anywhere and seen.elsewhere > 0)

        self._witness.wait(has_arrived, seconds=seconds, what="arrival of the attack")

    def wait_for_silence(self, *, seconds: float = 30) -> None:
        """Wait until no correct reply has come for 1.2 s of the guest's time.

        Heartbeats count that time, because the guest's clock stands still at each look.
        """
        right, since = -1, 0

        def is_silent(tally: Tally) -> bool:
            nonlocal right, since
            if tally.count.right != right:
                right, since = tally.count.right, tally.heartbeat
            return (tally.heartbeat - since) * HEARTBEAT > SILENCE_NS

        self._witness.wait(is_silent, seconds=seconds, what="silence of the handler")

    def press_power_button(self) -> None:
        """Press the machine's power button, as a person at the machine could."""
        self._machine.press_power_button()

    def let_pass(self, nanoseconds: int) -> None:
        """Wait until `nanoseconds` of the guest's time have passed, counted by heartbeats.

        The deadline is 30 s of the host's time.
        """
        self._pass(nanoseconds, lambda _tally: False)

    def is_silent_for(self, nanoseconds: int) -> bool:
        """Return whether no request ends in so many nanoseconds of the guest's time.

        The first request that ends is the answer, and ends the wait.
        """
        seen = self.requests()
        self._pass(nanoseconds, lambda tally: {one.number for one in tally.records} != seen)
        return self.requests() == seen

    def _pass(self, nanoseconds: int, is_enough: Callable[[Tally], bool]) -> None:
        end = self._witness.read().heartbeat + nanoseconds // HEARTBEAT
        self._witness.wait(
            lambda tally: tally.heartbeat >= end or is_enough(tally),
            seconds=30,
            what="later heartbeat",
        )

    def wait_for_failure(self, *, seconds: float = 10) -> None:
        """Wait until a further request has failed, or the start of a handler for it."""
        failed = self._witness.read().count.failed
        self._witness.wait(lambda t: t.count.failed > failed, seconds=seconds, what="failure")

    def wait_for_rewind(self, *, seconds: float = 8) -> None:
        """Wait until the machine has returned to an earlier state, such as a hibernation image.

        The heartbeat's count is lower then.
        """
        latest = 0

        def is_earlier(tally: Tally) -> bool:
            nonlocal latest
            latest = max(latest, tally.heartbeat)
            return tally.heartbeat < latest

        self._witness.wait(is_earlier, seconds=seconds, what="return to an earlier state")
        self._witness.recollection.forget()

    def restart(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """End the handler through the witness; wait up to 10 s until the kernel starts another.

        A failed start ends the wait as well. `meanwhile` is called repeatedly during the wait.
        """
        before = self._witness.read()
        starts, failed = before.count.starts, before.count.failed

        def is_done(tally: Tally) -> bool:
            if tally.count.starts > starts or tally.count.failed > failed:
                return True
            meanwhile()
            return False

        self.restarts += self._witness.obey(WitnessCommand.RESTART).exits > before.exits
        self._witness.wait(is_done, seconds=10, what="start")

    def expect_restart(self) -> None:
        """Take one restart for no loss: the attack unloads the loader, as root may at any time."""
        self.restarts += 1

    def flip_byte(self) -> None:
        """Invert the first byte of the handler's hash chain, from outside the guest."""
        tally = self._witness.read()
        with self._machine.paused():
            address = self._physical(tally, "chain")
            byte = self._machine.read(address, 1)
            self._machine.write(address, bytes([byte[0] ^ 0xFF]))

    def break_out(self, way: WayOut) -> None:
        """Replace the handler by one with a backdoor, and make it try an escape.

        The tally records whether the escape succeeded (`Tally.escape`).
        """
        self.take_over()
        self._try(bytes([way]))

    def take_over(self) -> None:
        """Replace the handler by one with a backdoor, which does what it is told (R13)."""
        self._witness.obey(WitnessCommand.OPEN_BACKDOOR)
        self.program = BACKDOOR
        self.wait_for_request()

    def make_call(self, number: int, *arguments: int, is_compat: bool = False) -> None:
        """Make a handler with a backdoor make a system call with up to three arguments.

        With `is_compat` the call is made by int 0x80. Its result is not known. The tally records
        a call outside the allow-list that returned (`Tally.escape`).
        """
        words = (*(one % (1 << 64) for one in arguments), 0, 0, 0)
        self._try(_CALL.pack(_MAKE_CALL, is_compat, number % (1 << 32), *words[:3]))

    def _try(self, body: bytes) -> None:
        self._witness.obey(WitnessCommand.TRY_ESCAPE, data=body)

    def _physical(self, tally: Tally, name: str) -> int:
        # A thread's chain is in a module at an unknown address, which the tally has.
        known = tally.chain if name == "chain" else 0
        return self._machine.walk(tally.page_table, known or self.symbol(name))
