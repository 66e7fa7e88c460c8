# SPDX-License-Identifier: GPL-2.0-only
"""A machine: one QEMU process, its sockets, and the guest's memory seen from outside."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Any, Self, cast

from harness.errors import UserError, VmLost
from harness.vm.console import Console, escape
from harness.vm.demotion import demotion, unprivileged
from harness.vm.gdbstub import Gdbstub
from harness.vm.monitor import Monitor
from harness.vm.paging import walk
from harness.vm.workdir import work_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.vm.probe import Accelerator
    from harness.vm.spec import MachineSpec
    from harness.vm.states import SavedState

SOCKETS = ("qmp", "gdb", "agent")
RAM = "ram"
DEVICE = "device"
DUMP = "dump"
SAVE_SECONDS = 60
EXIT_SECONDS = 10


class Machine:
    """A running QEMU, made by `boot` or `restore`; one thread at a time.

    Both are context managers: at their end QEMU is killed, reaped, and its directory removed.
    """

    def __init__(self, spec: MachineSpec, directory: Path, stack: ExitStack) -> None:
        self._spec = spec
        self._directory = directory
        self._stack = stack
        self._paused = True

    @classmethod
    @contextmanager
    def boot(cls, spec: MachineSpec, accelerator: Accelerator) -> Iterator[Self]:
        """Boot the spec's kernel and let it run. Its RAM is a file, so that it can be saved."""
        ram = f"memory-backend-file,id=ram,size={spec.memory_mib}M,mem-path={RAM},share=on"
        with cls._start(spec, accelerator, ram, files=[]) as machine:
            machine.resume()
            yield machine

    @classmethod
    @contextmanager
    def restore(
        cls, spec: MachineSpec, accelerator: Accelerator, state: SavedState
    ) -> Iterator[Self]:
        """Go on from a saved state, copy-on-write, under a new identity (rule 4)."""
        with ExitStack() as stack:
            files = [stack.enter_context(path.open("rb")) for path in (state.ram, state.device)]
            ram, device = (f"/proc/self/fd/{file.fileno()}" for file in files)
            backend = (
                f"memory-backend-file,id=ram,size={spec.memory_mib}M,mem-path={ram},"
                "share=off,readonly=on,rom=off"
            )
            machine = stack.enter_context(
                cls._start(spec, accelerator, backend, files=files, incoming="defer")
            )
            machine._load(f"file:{device}")
            machine.resume()
            yield machine

    @classmethod
    @contextmanager
    def _start(
        cls,
        spec: MachineSpec,
        accelerator: Accelerator,
        ram: str,
        *,
        files: Sequence[IO[bytes]],
        incoming: str | None = None,
    ) -> Iterator[Self]:
        with ExitStack() as stack:
            directory = stack.enter_context(work_directory())
            machine = cls(spec, directory, stack)
            boot_files = [stack.enter_context(p.open("rb")) for p in (spec.kernel, spec.initramfs)]
            accel, inherited = accelerator.open(stack)
            kernel, initrd = (f"/proc/self/fd/{file.fileno()}" for file in boot_files)
            arguments = [
                *spec.arguments(),
                *accel,
                *("-object", ram, "-S"),
                *("-kernel", kernel, "-initrd", initrd, "-append", spec.append),
                *(("-incoming", incoming) if incoming else ()),
            ]
            inherited += [file.fileno() for file in (*files, *boot_files)]
            machine._launch(arguments, inherited)
            yield machine

    def _launch(self, arguments: list[str], inherited: list[int]) -> None:
        pairs = {name: socket.socketpair() for name in SOCKETS}
        for name, (_, theirs) in pairs.items():
            arguments += ["-chardev", f"socket,id={name},fd={theirs.fileno()}"]
        self._stderr = self._stack.enter_context((self._directory / "stderr").open("w+b"))
        try:
            self._process = subprocess.Popen(
                [*demotion(), *arguments],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                pass_fds=[*inherited, *(theirs.fileno() for _, theirs in pairs.values())],
                # Ctrl-C is for us; QEMU ends when its context does.
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise UserError(
                f"{error.filename} is not installed", hint="run ./run, which installs it"
            ) from error
        finally:
            for _, theirs in pairs.values():
                theirs.close()
        self._stack.callback(self._end)
        self._console = Console(cast("IO[bytes]", self._process.stdout))
        self._connect({name: ours for name, (ours, _) in pairs.items()})

    def _connect(self, sockets: dict[str, socket.socket]) -> None:
        for ours in sockets.values():
            self._stack.callback(ours.close)
        self._agent = sockets["agent"]
        self._monitor = Monitor(sockets["qmp"])
        self._gdbstub = Gdbstub(sockets["gdb"])
        self._stack.callback(self._monitor.close)
        with self._explained():
            self._monitor.connect()
            self._gdbstub.connect()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait(EXIT_SECONDS)
        self._console.close()

    def _ignore_shared(self) -> None:
        """RAM is a file already: neither saving nor loading copies it."""
        capability = {"capability": "x-ignore-shared", "state": True}
        self._execute("migrate-set-capabilities", capabilities=[capability])

    def _load(self, uri: str) -> None:
        """Load the saved state's devices. Raises VmLost if they cannot be."""
        self._ignore_shared()
        self._execute("migrate-incoming", uri=uri)
        deadline = time.monotonic() + SAVE_SECONDS
        while self._execute("query-status")["status"] == "inmigrate":
            if time.monotonic() > deadline:
                raise VmLost("the saved state does not load")
            time.sleep(0.002)

    def _execute(self, command: str, **arguments: object) -> Any:
        with self._explained():
            return self._monitor.execute(command, **arguments)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say why the machine was lost, as far as QEMU's end and last words tell."""
        try:
            yield
        except VmLost as lost:
            raise VmLost(self._epitaph() or str(lost)) from lost

    def _epitaph(self) -> str:
        """How QEMU ended; empty if it did not."""
        try:
            # A monitor that hung up is the first sign of an end that is under way.
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return ""
        if status < 0:
            return f"QEMU was killed by {signal.Signals(-status).name}"
        reasons = [
            str(event["data"]["reason"])
            for event in self._monitor.events()
            if event["event"] == "SHUTDOWN"
        ]
        self._stderr.seek(0)
        words = escape(self._stderr.read()[-2000:]).strip()
        return ": ".join(filter(None, (f"QEMU ended with {status}", *reasons[:1], words)))

    @property
    def pid(self) -> int:
        """QEMU's process."""
        return self._process.pid

    def agent_socket(self) -> socket.socket:
        """The host's end of the agent's port. The caller closes it."""
        return self._agent.dup()

    def console(self) -> str:
        """What the guest printed, escaped and capped."""
        return self._console.text()

    def pause(self) -> None:
        """Stop the guest's CPUs. Raises VmLost if the guest itself has ended."""
        self._execute("stop")
        self._paused = True

    def resume(self) -> None:
        """Let the guest's CPUs run."""
        self._execute("cont")
        self._paused = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The guest stands still in the `with` block."""
        if self._paused:
            yield
            return
        self.pause()
        yield
        self.resume()

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes of guest-physical memory while it is paused. Raises VmLost."""
        self._execute("pmemsave", val=address, size=size, filename=DUMP)
        fd = os.open(self._directory / DUMP, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(fd, "rb") as dump:
            data = dump.read(size)
        if len(data) != size:
            raise VmLost(f"QEMU gave {len(data)} of {size} bytes of the guest's memory")
        return data

    def write(self, address: int, data: bytes) -> None:
        """Write to guest-physical memory while it is paused. Raises VmLost."""
        with self._explained():
            self._gdbstub.write(address, data)

    def walk(self, table: int, virtual: int) -> int:
        """The physical address of a virtual one, under the page table at physical `table`."""
        return walk(self.read, table, virtual)

    def save(self, directory: Path) -> None:
        """Save the paused machine as files `ram` and `device`, and end it."""
        self._ignore_shared()
        self._execute("migrate", uri=f"file:{DEVICE}")
        deadline = time.monotonic() + SAVE_SECONDS
        while (status := self._execute("query-migrate")["status"]) != "completed":
            if status in ("failed", "cancelled") or time.monotonic() > deadline:
                raise VmLost(f"QEMU cannot save the machine: {status}")
            time.sleep(0.002)
        self._end()
        for name in (RAM, DEVICE):
            target = directory / name
            shutil.move(self._directory / name, target)
            target.chmod(0o644)
            if unprivileged():
                os.chown(target, 0, 0)
