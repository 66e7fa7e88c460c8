# SPDX-License-Identifier: GPL-2.0-only
"""Processes with a name of their own, and a program that leaves a mark of each that starts.

The program looks for processes by their name. So that name is that of no other process of the host,
and the program does no harm.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from harness.campaign.program import Call, Number, Program, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

_O_CREAT = 0o100
_SECONDS = 60.0


def marking(folder: Path) -> Program:
    """Return a program that makes a file with the pid of each handler as its name."""
    path = Text(f"{folder}/{{handler}}")
    opened = Call("openat", (Number(-100), path, Number(_O_CREAT), Number(0o600)))
    return Program((opened,), stays=True, repeats=True)


@contextmanager
def named_sleeper(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that sleeps. Its name is the same for the same folder."""
    path = folder / f"nap{crc32(str(folder).encode()):08x}"
    if not path.exists():
        shutil.copy(str(shutil.which("sleep")), path)
    comm = Path("/proc/thread-self/comm")
    before = comm.read_text().removesuffix("\n")
    comm.write_text(path.name)  # the process has it from its fork on, as a handler has its own
    try:
        process = subprocess.Popen([path, "600"])
    finally:
        comm.write_text(before)
    with process:
        try:
            yield process
        finally:
            process.kill()


def await_mark(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the program has left its mark of a process."""
    end = time.monotonic() + _SECONDS
    while not (folder / str(process.pid)).exists():
        assert time.monotonic() < end, "the program did not make its calls at the process"
        time.sleep(0.01)
