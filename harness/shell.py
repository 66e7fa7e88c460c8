# SPDX-License-Identifier: GPL-2.0-only
"""A machine of a variant with a root shell on this terminal, to look around in."""

from __future__ import annotations

import os
import subprocess
import sys
import termios
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from harness.engines import MICROVM
from harness.lab import Lab
from harness.report.terminal import console, progress_line
from harness.vm.demotion import confinement
from harness.vm.disk import NO_DISK
from harness.vm.machine import INITRD, KERNEL, furnish
from harness.vm.workdir import work_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.engines.engine import Engine
    from harness.kernel.choice import KernelChoice
    from harness.vm.spec import MachineSpec

_CONSOLE = "stdio,id=console"


def run_shell(
    line: str, variant: str, *, choice: KernelChoice | None = None, engine: Engine = MICROVM
) -> int:
    """Boot and stay until the shell ends; return QEMU's exit status. Raises UserError.

    There is no deadline: the person at the terminal is it.
    """
    out = console()
    with progress_line(out) as progress:
        lab = Lab.open(line, [variant], progress=progress, choice=choice, engine=engine)
    spec = lab.spec(variant, interactive=True)
    out.print(f"root shell on {variant} of {line}: leave it with `exit`, or with Ctrl-a x")
    with ExitStack() as stack:
        directory = stack.enter_context(work_directory())
        furnish(directory, spec)
        stack.enter_context(_terminal_restored())
        accelerated, inherited = lab.accelerator.open(stack)
        on_disk, layers = spec.disk.arguments(stack) if spec.disk else NO_DISK
        done = subprocess.run(
            [*confinement((), spec.reach()), *qemu_arguments(spec), *on_disk, *accelerated],
            pass_fds=[*inherited, *layers],
            cwd=directory,
            check=False,
        )
    return done.returncode


def qemu_arguments(spec: MachineSpec) -> list[str]:
    """Return QEMU's command line but for the accelerator: nobody is at its other sockets."""
    arguments = _with_monitor(spec.arguments())
    for name in ("qmp", "gdb", "agent"):
        arguments += ["-chardev", f"null,id={name}"]
    memory = f"memory-backend-ram,id=ram,size={spec.memory_mib}M"
    arguments += ["-object", memory, "-kernel", KERNEL, "-initrd", INITRD]
    return [*arguments, "-append", spec.append]


def _with_monitor(arguments: Sequence[str]) -> list[str]:
    """Put QEMU's own monitor beside the console, so that Ctrl-a x ends a guest that hangs."""
    shared = [f"{part},mux=on" if part.startswith(_CONSOLE) else part for part in arguments]
    return [*shared, "-mon", "chardev=console,mode=readline"]


@contextmanager
def _terminal_restored() -> Iterator[None]:
    """Undo what a killed QEMU (raw mode) and SeaBIOS (no line wrap) leave behind."""
    if not sys.stdin.isatty():
        yield
        return
    settings = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)
        os.write(sys.stdout.fileno(), b"\x1b[?7h\r\n")
