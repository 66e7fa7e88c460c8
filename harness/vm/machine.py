# SPDX-License-Identifier: GPL-2.0-only
"""A machine: one QEMU process, its sockets, and access to guest memory from outside."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Self

from harness.host.errors import VmLost
from harness.vm.boot_files import INITRD, KERNEL, copy_boot_files
from harness.vm.debugger import DEBUGGER, listening
from harness.vm.demotion import give_to_qemu
from harness.vm.disk import DISK, NO_DISK
from harness.vm.forwarding import port_of
from harness.vm.gdbstub import Gdbstub
from harness.vm.guest_ram import GuestRam, PrivateRam, SharedRam
from harness.vm.kaslr import Placement, find_kernel
from harness.vm.kernel_watch import KernelWatch
from harness.vm.monitor import Monitor
from harness.vm.paging import ACCESSED, leaf, walk
from harness.vm.process import Process
from harness.vm.qemu_end import qemu_end
from harness.vm.saved_state import DEVICE, RAM
from harness.vm.untrusted_files import open_untrusted, take_over
from harness.vm.workdir import starting, work_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.vm.disk import DiskArguments
    from harness.vm.probe import Accelerator
    from harness.vm.saved_state import SavedState
    from harness.vm.spec import MachineSpec
    from harness.vm.stream import Stream

DUMP = "dump"
SAVE_SECONDS = DUMP_SECONDS = 60
POLL_SECONDS = 0.001


class Machine:
    """A running QEMU, created by `boot` or `restore`. One thread at a time may use it.

    Both are context managers: at their end QEMU is killed and reaped, and its directory removed.
    If QEMU has ended by itself, a VmLost that leaves the `with` block says how. All methods raise
    VmLost if QEMU is gone or does not answer in time.
    """

    def __init__(
        self,
        spec: MachineSpec,
        process: Process,
        monitor: Monitor,
        gdbstub: Gdbstub,
        agent: socket.socket,
        watch: KernelWatch | None,
    ) -> None:
        self._spec = spec
        self._process = process
        self._monitor = monitor
        self._gdbstub = gdbstub
        self._agent = agent
        self.watch = watch
        """QEMU's watch of the guest's kernel, if the specification asks for it."""
        self._paused = True
        self.ram: GuestRam  # set by `boot` and `restore`
        self.placement = Placement()
        """Where KASLR put the kernel."""

    @classmethod
    @contextmanager
    def boot(
        cls,
        spec: MachineSpec,
        accelerator: Accelerator,
        *,
        debugger: socket.socket | None = None,
    ) -> Iterator[Self]:
        """Boot the spec's kernel and let it run. Its RAM is a file, so that it can be saved.

        `debugger` is a socket that listens for the user's gdb: see `hand_over`.
        """
        ram = f"memory-backend-file,id=ram,size={spec.memory_mib}M,mem-path={RAM},share=on"
        arguments = ["-object", ram, "-kernel", KERNEL, "-initrd", INITRD, "-append", spec.append]
        with ExitStack() as stack:
            with starting():
                directory = stack.enter_context(work_directory())
                copy_boot_files(directory, spec)
                disk = spec.disk.arguments(stack) if spec.disk else NO_DISK
                machine = cls._start(
                    stack, spec, accelerator, directory, arguments, disk=disk, debugger=debugger
                )
            with machine._explained():
                machine._monitor.connect()
                machine._gdbstub.connect()
                machine.ram = SharedRam(stack.enter_context((directory / RAM).open("rb")).fileno())
                machine.resume()
                placement = Placement()
                if spec.kaslr:
                    placement = find_kernel(machine.notes, size=machine.memory_size)
                machine._place(placement)
                yield machine

    @classmethod
    @contextmanager
    def restore(
        cls,
        spec: MachineSpec,
        accelerator: Accelerator,
        state: SavedState,
        *,
        debugger: socket.socket | None = None,
    ) -> Iterator[Self]:
        """Resume from a saved state, copy-on-write, under a new generation id (rule 4).

        `debugger` is as in `boot`.
        """
        with ExitStack() as stack:
            with starting():
                files = [stack.enter_context(path.open("rb")) for path in (state.ram, state.device)]
                ram, device = (file.fileno() for file in files)
                backend = (
                    f"memory-backend-file,id=ram,size={spec.memory_mib}M,"
                    f"mem-path=/proc/self/fd/{ram},share=off,readonly=on,rom=off"
                )
                # No kernel is loaded: the RAM has it, and a guest that resets itself is lost.
                arguments = ["-object", backend, "-incoming", "defer"]
                directory = stack.enter_context(work_directory())
                disk = NO_DISK
                if spec.disk:
                    give_to_qemu(spec.disk.lay_out(directory))
                    disk = spec.disk.arguments(stack, state.disk)
                machine = cls._start(
                    stack,
                    spec,
                    accelerator,
                    directory,
                    arguments,
                    readable=(ram, device),
                    disk=disk,
                    debugger=debugger,
                )
                machine.ram = PrivateRam(ram, machine.pid, directory, machine._monitor)
                stack.callback(machine.ram.close)
            with machine._explained():
                machine._place(state.placement)
                machine._monitor.connect()
                machine._gdbstub.connect()
                machine._load(f"file:/proc/self/fd/{device}")
                machine.resume()
                yield machine

    @classmethod
    def _start(
        cls,
        stack: ExitStack,
        spec: MachineSpec,
        accelerator: Accelerator,
        directory: Path,
        arguments: Sequence[str],
        *,
        readable: Sequence[int] = (),
        disk: DiskArguments = NO_DISK,
        debugger: socket.socket | None = None,
    ) -> Self:
        ours = {}
        accelerated, inherited = accelerator.open(stack)
        on_disk, layers = disk
        arguments = [*spec.arguments(), *on_disk, *accelerated, "-S", *arguments]
        inherited, readable = [*inherited, *layers], [*readable]
        watch = KernelWatch(stack, spec.watched) if spec.watched else None
        if watch:
            arguments += watch.arguments()
            inherited.append(watch.memory)
            readable.append(watch.plugin)
        if debugger is not None:
            arguments += listening(DEBUGGER, debugger)
            inherited.append(debugger.fileno())
        with ExitStack() as until_started:
            for name in ("qmp", "gdb", "agent"):
                ours[name], theirs = socket.socketpair()
                stack.enter_context(ours[name])
                until_started.enter_context(theirs)
                arguments += ["-chardev", f"socket,id={name},fd={theirs.fileno()}"]
                inherited.append(theirs.fileno())
            monitor = stack.enter_context(Monitor(ours["qmp"]))
            process = stack.enter_context(
                Process(
                    arguments,
                    directory=directory,
                    readable=readable,
                    reach=spec.reach(),
                    inherited=inherited,
                )
            )
        return cls(spec, process, monitor, Gdbstub(ours["gdb"]), ours["agent"], watch)

    def _place(self, placement: Placement) -> None:
        """Note where the kernel is, and let QEMU's watch begin."""
        self.placement = placement
        if self.watch:
            self.watch.place(placement.slide)

    def _ignore_shared(self) -> None:
        """Exclude RAM, which is a file already, from the saved or loaded stream."""
        capability = {"capability": "x-ignore-shared", "state": True}
        self._monitor.execute("migrate-set-capabilities", capabilities=[capability])

    def _load(self, uri: str) -> None:
        """Load the saved state's devices. Raises VmLost if they do not load."""
        self._ignore_shared()
        self._monitor.execute("migrate-incoming", uri=uri)
        deadline = time.monotonic() + SAVE_SECONDS
        while self._monitor.execute("query-status")["status"] == "inmigrate":
            if time.monotonic() > deadline:
                raise VmLost("the saved state does not load")
            time.sleep(POLL_SECONDS)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Replace a VmLost by one that tells how QEMU ended and what it printed, if it ended."""
        try:
            yield
        except VmLost as lost:
            if ended := qemu_end(self._process, self._monitor):
                raise ended from lost
            raise

    @property
    def directory(self) -> Path:
        """The directory that QEMU runs in and may write to. It is removed with the machine."""
        return self._process.directory

    @property
    def load_offset(self) -> int:
        """Bytes from a kernel symbol's linked physical address to its actual one (KASLR)."""
        return self.placement.load_offset

    @property
    def memory_size(self) -> int:
        """Bytes of guest-physical memory."""
        return self._spec.memory_mib << 20

    @property
    def pid(self) -> int:
        """The pid of QEMU's process."""
        return self._process.pid

    def agent_socket(self) -> Stream:
        """Return the host's end of the stream to the agent. The caller closes it."""
        if self._spec.connect is not None:
            return self._spec.connect(self.forwarded_port())
        return self._agent.dup()

    def forwarded_port(self) -> int:
        """Return the port of the host's loopback that QEMU forwards to the guest.

        Raises VmLost if the machine has no such port (`harness.vm.forwarding`).
        """
        return port_of(self._monitor.human("info usernet"))

    def console(self) -> str:
        """Return the guest's console output, escaped and capped."""
        return self._process.console()

    def pause(self) -> None:
        """Stop the guest's CPUs. Raises VmLost if something else has stopped them."""
        self._monitor.execute("stop")
        status = self._monitor.execute("query-status")["status"]
        if status != "paused":
            raise VmLost(f"the guest's CPUs stopped by themselves: {status}", by_guest=True)
        self._paused = True

    def resume(self) -> None:
        """Let the guest's CPUs run."""
        self._monitor.execute("cont")
        self._paused = False

    def is_suspended(self) -> bool:
        """Whether the guest has suspended the machine, and nothing has woken it."""
        return self._monitor.is_suspended()

    def kill(self) -> None:
        """Kill QEMU at once. Any thread may call this; a thread that waits gets a VmLost."""
        self._process.kill()

    def press_power_button(self) -> None:
        """Press the power button once, an ACPI event that the guest may ignore."""
        self._monitor.execute("system_powerdown")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause the guest's CPUs in the `with` block. Blocks may be nested."""
        if self._paused:
            yield
            return
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def registers(self) -> str:
        """Return the registers of all CPUs, as QEMU's monitor prints them."""
        return self._monitor.human("info registers -a")

    def hand_over(self) -> None:
        """Pause the machine and give the gdbstub to the user's gdb.

        gdb connects at the socket `debugger` of `boot` or `restore`. From now on `read`, `write`
        and `walk` cannot be used.
        """
        self.pause()
        self._gdbstub.use_virtual()
        said = self._monitor.human(f"gdbserver chardev:{DEBUGGER}")
        if not said.startswith("Waiting for gdb connection"):
            raise VmLost(f"QEMU does not wait for gdb: {said.strip()}")

    def read(self, address: int, size: int) -> bytes:
        """Read `size` bytes of guest-physical memory.

        Raises ValueError unless the machine is paused, VmLost if the range is not RAM.
        """
        self._check(address, size)
        with suppress(OSError):  # the host forbids to look into QEMU, or QEMU is gone
            return self.ram.read(address, size)
        return self._gdbstub.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        """Write `data` to guest-physical memory. Raises as `read`."""
        self._check(address, len(data))
        self._gdbstub.write(address, data)

    def walk(self, table: int, virtual: int) -> int:
        """Return the physical address of a virtual one, under the page table at physical `table`.

        Raises VmLost if the page table does not map it, otherwise as `read`.
        """
        return walk(self.read, table, virtual)

    def is_accessed(self, table: int, virtual: int) -> bool:
        """Return the accessed bit of the page table entry that maps `virtual`. Raises as `walk`."""
        return bool(leaf(self.read, table, virtual)[0] & ACCESSED)

    def _check(self, address: int, size: int) -> None:
        """Raise unless the range is RAM: a hostile page table may lead to device registers."""
        if not self._paused:
            raise ValueError("the machine must be paused")
        if not 0 <= address <= address + size <= self.memory_size:
            raise VmLost(f"the guest has no memory at {address:#x}")

    def notes(self) -> bytes:
        """Return an ELF core of the guest with its notes, and without its memory."""
        path = self._process.directory / DUMP
        path.unlink(missing_ok=True)
        with self.paused():
            self._monitor.execute(
                "dump-guest-memory", paging=False, protocol=f"file:{DUMP}", begin=0, length=4096
            )
        with os.fdopen(open_untrusted(path), "rb") as file:
            return file.read(1 << 20)

    def dump(self, fd: int) -> None:
        """Write an ELF core with all of the guest's memory to descriptor `fd`.

        The machine may be in any state, and stays paused. Raises VmLost if QEMU cannot write the
        core within `DUMP_SECONDS`.
        """
        self._monitor.execute("stop")
        self._paused = True
        self._monitor.give(DUMP, fd)
        self._monitor.execute("dump-guest-memory", paging=False, protocol=f"fd:{DUMP}", detach=True)
        self._wait_for("query-dump", "dump its memory", seconds=DUMP_SECONDS)

    def _wait_for(self, query: str, what: str, *, seconds: float) -> None:
        """Wait until a background job of QEMU is complete. Raises VmLost after `seconds`."""
        deadline = time.monotonic() + seconds
        while (status := self._monitor.execute(query)["status"]) != "completed":
            if status in ("failed", "cancelled") or time.monotonic() > deadline:
                raise VmLost(f"QEMU cannot {what}: {status}")
            time.sleep(POLL_SECONDS)

    def save(self, directory: Path) -> None:
        """Save the paused machine in `directory`, and end QEMU.

        The files are `ram`, `device` and, if the machine has a disk, `disk`. Raises VmLost if QEMU
        cannot save them within `SAVE_SECONDS`.
        """
        self._ignore_shared()
        self._monitor.execute("migrate", uri=f"file:{DEVICE}")
        self._wait_for("query-migrate", "save the machine", seconds=SAVE_SECONDS)
        self._process.end()
        for name in (RAM, DEVICE, *([DISK] if self._spec.disk else [])):
            take_over(self._process.directory / name, directory / name)
