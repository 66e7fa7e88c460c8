# SPDX-License-Identifier: GPL-2.0-only
"""A handler of a published driver that root overwrites, so that it gives one reply from then on."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from errno import ETIMEDOUT
from os import O_RDWR
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.attacker.agent.errors import GuestError, NoTarget
from harness.attacker.tools.kernel_threads import threads_named
from harness.attacker.tools.memory import expect_memory
from harness.attacker.tools.processes import state_at_rest

if TYPE_CHECKING:
    from collections.abc import Callable

    from late_replies import Lates

    from harness.attacker import Attacker

SYS_READ = 0
_SOURCE = Path(__file__).with_suffix(".S")


@dataclass(frozen=True)
class Victim:
    """A handler whose requests all have one size."""

    name: bytes
    """The process's name."""

    request: int
    """Bytes of a request."""

    def pids(self, attacker: Attacker) -> list[int]:
        """Return the pids of the processes of that name."""
        return [*threads_named(attacker, self.name)]


def said(ask: Callable[[], int]) -> int:
    """Return what a call returns, or the negative errno."""
    try:
        return ask()
    except GuestError as error:
        assert error.errno
        return -error.errno


@dataclass(frozen=True)
class Attack:
    """Root's attack on a handler, which goes well unless the handler is isolated."""

    attacker: Attacker
    victim: Victim
    start: Callable[[], None]
    """Has the handler answer a request, and fails if the answer is wrong."""

    is_refused: bool
    folder: Path
    """For the files of the compiler."""

    lates: Lates
    """The handlers that a busy host made late. This process acts on them."""

    def answer(self, reply: bytes, ask: Callable[[], int]) -> int | None:
        """Have the handler give this reply when it is asked; return the kernel's answer to `ask`.

        None if root does not get at the handler's memory, as it must be, and the same handler goes
        on. The kernel kills a handler that a busy host makes late: then the next one is taken.
        """
        return self.lates.in_time(self._answer, reply, ask)

    def _answer(self, reply: bytes, ask: Callable[[], int]) -> int | None:
        """Do so once; return -ETIMEDOUT if the handler has ended."""
        self.start()
        (pid,) = self.victim.pids(self.attacker)
        if not self.is_refused:
            self._take_over(pid, reply)
            return ask()
        with pytest.raises(NoTarget):
            self._take_over(pid, reply)
        self.start()
        return None if self.victim.pids(self.attacker) == [pid] else -ETIMEDOUT

    def _take_over(self, pid: int, reply: bytes) -> None:
        """Overwrite the handler's instructions by /proc/<pid>/mem."""
        expect_memory(self.attacker, pid)
        state_at_rest(self.attacker, pid)
        with self.attacker.open(f"/proc/{pid}/mem", O_RDWR) as memory:
            maps = self.attacker.read_file(f"/proc/{pid}/maps").decode().splitlines()
            (stack,) = (int(area.partition("-")[0], 16) for area in maps if "[stack]" in area)
            call, *_, place = self.attacker.read_file(f"/proc/{pid}/syscall").split()
            assert int(call) == SYS_READ
            memory.pwrite(reply, stack)
            memory.pwrite(self._code(stack, len(reply)), int(place, 16))

    def _code(self, reply: int, size: int) -> bytes:
        """Return the code that replies what lies at that address."""
        made, code = self.folder / "false.o", self.folder / "false.bin"
        values = {"REQUEST_SIZE": self.victim.request, "REPLY_SIZE": size, "REPLY": reply}
        defined = [f"-D{name}={value:#x}" for name, value in values.items()]
        _run("gcc", "-c", *defined, "-o", made, _SOURCE)
        _run("objcopy", "-O", "binary", "--only-section=.text", made, code)
        return code.read_bytes()


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, timeout=60)
