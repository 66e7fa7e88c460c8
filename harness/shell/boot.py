# SPDX-License-Identifier: GPL-2.0-only
"""A root shell on the console of a booting machine, with all of the kernel's messages.

It needs neither agent nor handler, so it works with a kernel that fails before either starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import termios
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from harness.vm.boot_files import INITRD, KERNEL, copy_boot_files
from harness.vm.debugger import debugger, listening
from harness.vm.demotion import confinement
from harness.vm.disk import NO_DISK
from harness.vm.workdir import work_directory

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence

    from harness.lab.lab import Lab
    from harness.vm.spec import MachineSpec

_CONSOLE = "stdio,id=console"


def boot_shell(lab: Lab, variant: str, *, gdb: bool = False, say: Callable[[str], None]) -> int:
    """Boot a machine of a variant; return QEMU's exit status when the shell has ended.

    With `gdb` the machine stays paused until the user's gdb continues it. There is no deadline,
    because the user decides when to leave. Raises UserError.
    """
    plan = lab.machine_plan(variant)
    spec = lab.machines.spec(plan, interactive=True)
    vmlinux = plan.images.kernel.vmlinux if gdb else None
    with ExitStack() as stack:
        stub = stack.enter_context(debugger()) if vmlinux else None
        if stub and vmlinux:
            say("The machine is paused until gdb continues it. In another terminal:")
            say(f"  {stub.command(vmlinux)}")
        say(f"Root shell on {variant} of {lab.line}: leave it with `exit`, or with Ctrl-a x.")
        directory = stack.enter_context(work_directory())
        copy_boot_files(directory, spec)
        stack.enter_context(_terminal_restored())
        accelerated, inherited = lab.accelerator.open(stack)
        on_disk, layers = spec.disk.arguments(stack) if spec.disk else NO_DISK
        arguments = qemu_arguments(spec, stub.listener if stub else None)
        done = subprocess.run(
            [*confinement((), spec.reach()), *arguments, *on_disk, *accelerated],
            pass_fds=[*inherited, *layers, *([stub.listener.fileno()] if stub else [])],
            cwd=directory,
            check=False,
        )
    return done.returncode


def qemu_arguments(spec: MachineSpec, gdb: socket.socket | None = None) -> list[str]:
    """Return QEMU's command line without the accelerator's arguments.

    The sockets of monitor and agent lead nowhere. With `gdb`, a listening socket, QEMU starts
    paused and accepts a gdb there.
    """
    arguments = _with_monitor(spec.arguments())
    for name in ("qmp", "agent"):
        arguments += ["-chardev", f"null,id={name}"]
    arguments += [*listening("gdb", gdb), "-S"] if gdb else ["-chardev", "null,id=gdb"]
    memory = f"memory-backend-ram,id=ram,size={spec.memory_mib}M"
    arguments += ["-object", memory, "-kernel", KERNEL, "-initrd", INITRD]
    return [*arguments, "-append", spec.append]


def _with_monitor(arguments: Sequence[str]) -> list[str]:
    """Multiplex QEMU's monitor with the console, so that Ctrl-a x ends a guest that hangs."""
    shared = [f"{part},mux=on" if part.startswith(_CONSOLE) else part for part in arguments]
    return [*shared, "-mon", "chardev=console,mode=readline"]


@contextmanager
def _terminal_restored() -> Iterator[None]:
    """Restore the terminal after a killed QEMU (raw mode) and SeaBIOS (no line wrap)."""
    settings = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)
        os.write(sys.stdout.fileno(), b"\x1b[?7h\r\n")
