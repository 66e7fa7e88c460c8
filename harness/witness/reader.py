# SPDX-License-Identifier: GPL-2.0-only
"""Reads the tally from a paused machine's memory; commands the witness from outside (rule 1)."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from harness.host.errors import Silent, VmLost
from harness.vm.cpu_use import cpu_use
from harness.witness import layout, tally
from harness.witness.evidence import LOCKDEP_OFF
from harness.witness.heartbeat import HeartbeatTracker
from harness.witness.recollection import Recollection
from harness.witness.tally import Tally, WitnessCommand, WitnessState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.kernel.build.images import KernelImage
    from harness.vm.machine import Machine
    from harness.witness.tally import Challenge

_COMMAND = struct.Struct(f"<III4x{8 * layout.NAMED}s")
"""struct umd_witness_command (overlay/kernel/umd_witness/tally.h): the sequence number first."""
_FUNCTIONS = struct.Struct(f"<{layout.NAMED}q")

_LOCKS = "debug_locks"
"""The kernel's variable that is 0 once lockdep is off."""

ANY_CALL = 0xFFFFFFFF
"""The number of no system call (ANY_CALL in seen.c)."""

TORN_TRIES = 100
"""How often to read a tally that is being written, before the witness counts as stopped."""
POLL_FIRST, POLL_LAST = 0.005, 0.02
"""Seconds between two reads of the tally: the first interval, and the longest."""

DEAD_SECONDS = 5
"""Without a beat for as many seconds, 500 beats, the heartbeat has stopped."""

ASLEEP_SECONDS = 1
"""The same for a machine that its guest has suspended, which no load on the host explains."""

PATIENCE = 4
"""By how many times its length a deadline may move on a busy host."""

TRANSACTIONS = 16
"""Requests in each phase of the aftermath. A pipe has 16 buffers (PIPE_DEF_BUFFERS in
include/linux/pipe_fs_i.h), so as many requests read all that an attacker may have left in one."""


class Witness:
    """The witness of one machine.

    Deadlines are in seconds. A wait raises Silent when its deadline has passed, or when the
    guest's heartbeat has stopped. All methods raise VmLost if the machine is lost.
    """

    def __init__(self, machine: Machine, image: KernelImage) -> None:
        self._machine = machine
        self._tally, self._command, self._tainted = (
            image.physical(name) + machine.load_offset
            for name in ("umd_witness_tally", "umd_witness_command", "tainted_mask")
        )
        has_lockdep = image.symbols.keys() >= {_LOCKS, "lock_acquire"}
        self._locks = image.physical(_LOCKS) + machine.load_offset if has_lockdep else None
        self._image = image
        self.secrets: set[bytes] = set()
        """The SHA-256 hashes of all handlers' secrets seen in the tally so far."""
        self.heartbeat = HeartbeatTracker()
        """The heartbeat, as of all reads of the tally."""
        self.recollection = Recollection()
        """What the tally was at all reads."""
        self.observers: list[Callable[[Tally], None]] = []
        """Called with each tally that was read, while the machine is still paused."""

    def read(self) -> Tally:
        """Return the current tally. Raises VmLost if it is malformed, or never consistent."""
        for _ in range(TORN_TRIES):
            with self._machine.paused():
                stopped = time.monotonic()
                data = self._machine.read(self._tally, layout.SIZE)
                if parsed := tally.parse(data):
                    for observe in self.observers:
                        observe(parsed)
                use = cpu_use(self._machine.pid)
            self.heartbeat.note(
                tally.heartbeat(data), stopped=stopped, resumed=time.monotonic(), use=use
            )
            if parsed:
                self.secrets.update(parsed.secrets_sha256)
                self.recollection.note(parsed)
                return parsed
        raise VmLost("the tally is never consistent: the witness was stopped while writing it")

    def appear(self, *, seconds: float) -> None:
        """Wait until the booting kernel has set up its tally. Raises VmLost at the deadline."""
        deadline = time.monotonic() + seconds
        magic = layout.MAGIC.to_bytes(8, "little")
        while True:
            with self._machine.paused():
                if self._machine.read(self._tally, 8) == magic:
                    return
            if time.monotonic() > deadline:
                raise VmLost(f"no tally in the guest's memory {seconds:g} s after its start")
            time.sleep(POLL_LAST)

    def taint(self) -> int:
        """Return the kernel's taint flags (Documentation/admin-guide/tainted-kernels.rst).

        On a kernel with lockdep, `LOCKDEP_OFF` is among them.
        """
        with self._machine.paused():
            flags = int.from_bytes(self._machine.read(self._tainted, 8), "little")
            if self._locks is not None and not any(self._machine.read(self._locks, 4)):
                flags |= LOCKDEP_OFF
        return flags

    def code(self) -> bytes:
        """Return the witness's code as it is in guest memory now."""
        start, size = self._image.witness_code
        with self._machine.paused():
            return self._machine.read(start + self._machine.load_offset, size)

    def wait(self, done: Callable[[Tally], bool], *, seconds: float, what: str) -> Tally:
        """Poll until `done` accepts the tally; return that tally.

        Raises Silent after `seconds`, with the message "no `what` within ... s". On a busy host
        the deadline moves by the time that QEMU waits for a CPU, up to `PATIENCE` times `seconds`.
        """
        start = time.monotonic()
        last = self.read()
        waited = self.heartbeat.waited
        pause = POLL_FIRST
        while not done(last):
            still = self.heartbeat.still
            asleep = still > ASLEEP_SECONDS and self._machine.is_suspended()
            if asleep or still > DEAD_SECONDS:
                raise Silent(f"no {what}: the guest's heart has stopped", alive=False)
            patience = min(self.heartbeat.waited - waited, PATIENCE * seconds)
            if time.monotonic() - start > seconds + patience:
                raise Silent(f"no {what} within {seconds:g} s", alive=True)
            time.sleep(pause)
            pause = min(pause * 1.5, POLL_LAST)
            last = self.read()
        return last

    def command(self, command: WitnessCommand, *, argument: int = 0, data: bytes = b"") -> int:
        """Write a command into guest memory; return its sequence number.

        The witness looks there between two requests. `Tally.command` has the number once the
        command is done. No number is used twice, even if the earlier command (such as PARK) is not
        done.
        """
        with self._machine.paused():
            last = int.from_bytes(self._machine.read(self._command, 4), "little")
            sequence = (last + 1) % (1 << 32)
            self._machine.write(self._command, _COMMAND.pack(sequence, command, argument, data))
        return sequence

    def obey(
        self,
        command: WitnessCommand,
        *,
        argument: int = 0,
        data: bytes = b"",
        seconds: float = 15,
        what: str = "",
    ) -> Tally:
        """Give a command, wait until it is done, and return the tally then."""
        sequence = self.command(command, argument=argument, data=data)
        return self.wait(
            lambda t: t.command == sequence, seconds=seconds, what=what or f"end of {command.name}"
        )

    def watch(self, functions: Sequence[int], *, call: int) -> Tally:
        """Have the calls of functions counted, and which of them come from one system call.

        `functions` are addresses relative to the tally, as in `Seen`; `call` is the system call's
        number, or `ANY_CALL`.
        """
        addresses = (*functions, *(0,) * (layout.NAMED - len(functions)))
        return self.obey(WitnessCommand.WATCH, argument=call, data=_FUNCTIONS.pack(*addresses))

    def challenge(self, body: bytes) -> Challenge:
        """Send the handler a request with that body; return the request and its reply."""
        return self.obey(WitnessCommand.CHALLENGE, data=body).challenge

    def park(self, *, seconds: float = 10) -> Tally:
        """Stop the witness's requests until the machine gets a new generation id (rule 4).

        A machine that was just restored may still be parked as it was saved: the witness goes on
        when the guest notices its new id. So this waits until all earlier commands are done. A
        parked witness does no further command: a second call would time out.
        """
        earlier = (self.command(WitnessCommand.PARK) - 1) % (1 << 32)
        return self.wait(
            lambda t: t.state is WitnessState.PARKED and t.command == earlier,
            seconds=seconds,
            what="parked witness",
        )

    def first_request(self, *, seconds: float = 15) -> Tally:
        """Wait until the restored witness has asked with random numbers of its own (rule 4)."""
        right = self.read().count.right
        return self.wait(lambda t: t.count.right > right, seconds=seconds, what="first right reply")

    def aftermath(self, *, seconds: float = 45) -> Tally:
        """Run the aftermath (rule 2); return the tally after it.

        Its three phases have `TRANSACTIONS` requests each: the handler as it is, a restarted
        handler, and a handler of a reloaded loader.
        """
        # The state alone may be that of an earlier one, which a rehearsal was.
        return self.obey(
            WitnessCommand.AFTERMATH,
            argument=TRANSACTIONS,
            seconds=seconds,
            what="end of the aftermath",
        )
