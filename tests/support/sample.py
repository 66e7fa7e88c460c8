# SPDX-License-Identifier: GPL-2.0-only
"""A user mode driver in a guest: its manager loaded, its file open."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from errno import ETIMEDOUT
from os import O_WRONLY
from typing import TYPE_CHECKING

import pytest
from late_replies import Lates

from harness.attacker import GuestError

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.vm.machine import Machine


@dataclass(frozen=True)
class Driver:
    """The names of a user mode driver's parts: modules, process, and the file that drives it."""

    manager: str
    loader: str
    handler: str
    file: str


SAMPLE = Driver("sample_mgr", "sample_loader_kmod", "sample_umh", "/sys/kernel/security/sample_umd")
SELFTEST = Driver(
    "umd_selftest", "umd_selftest_loader", "umd_selftest_umh", "/sys/kernel/security/umd_selftest"
)

FILE = SAMPLE.file
LOADER = SAMPLE.loader
HANDLER = SAMPLE.handler

_SYSLOG_READ_ALL = 3
_LOG_BYTES = 256 << 10


class Sample:
    """Drives the sample with the attacker's system calls; `fd` is for one other process."""

    def __init__(self, attacker: Attacker, machine: Machine, driver: Driver = SAMPLE) -> None:
        self.machine = machine
        """The guest's machine."""
        self.lates = Lates(machine)
        """The requests that were late by a busy host."""
        self._attacker = attacker
        self._driver = driver
        self.modprobe(driver.manager)
        self._own_fd = attacker.open(driver.file, O_WRONLY).fd
        # A second open file: writes to one and the same queue for its position (fdget_pos).
        self.fd = attacker.open(driver.file, O_WRONLY).fd

    def write(self, text: str) -> None:
        """Send a request, by default for an offset; send it again if it was late by a busy host.

        Raises GuestError with the driver's errno.
        """
        assert self.lates.in_time(self._send, text) == len(text)

    def refused(self, text: str) -> int:
        """Send a request that is refused, as `write` does; return the errno."""
        with pytest.raises(GuestError) as refused:
            self.lates.in_time(self._send, text)
        return refused.value.errno or 0

    def check_late(self, text: str) -> None:
        """Send a request whose deadline must pass, on a busy host or not."""
        with pytest.raises(GuestError) as late:
            self._send(text)
        assert late.value.errno == ETIMEDOUT

    def _send(self, text: str) -> int:
        return self._attacker.write(self._own_fd, text.encode())

    def modprobe(self, *args: str) -> None:
        """Run modprobe to its success."""
        child = self._attacker.spawn("/sbin/modprobe", *args)
        assert self._attacker.waitpid(child)[1] == 0, args

    def unload(self) -> None:
        """Remove the loader."""
        self.modprobe("-r", self._driver.loader)

    @property
    def loaded(self) -> bool:
        """Whether the loader is there."""
        return f"{self._driver.loader} ".encode() in self._attacker.read_file("/proc/modules")

    @property
    def log(self) -> str:
        """The kernel's log."""
        text = bytearray(_LOG_BYTES)
        size = self._attacker.syscall("syslog", _SYSLOG_READ_ALL, text, len(text))
        return bytes(text[:size]).decode(errors="replace")

    @property
    def started(self) -> list[int]:
        """The pids of all handlers so far, in order."""
        started = f"{self._driver.handler} started, pid (\\d+)"
        return [int(pid) for pid in re.findall(started, self.log)]

    def check_started(self, count: int) -> None:
        """Check how many handlers have started so far. For a late request there may be one more."""
        found = len(self.started)
        lates = self.lates.count
        assert count <= found <= count + lates, f"{found} handlers, {lates} late requests"

    @property
    def pid(self) -> int:
        """The handler's pid."""
        return self.started[-1]

    def is_there(self, pid: int) -> bool:
        """Return whether a process exists and is not a zombie."""
        try:
            status = self._attacker.read_file(f"/proc/{pid}/status")
        except OSError:
            return False
        return b"State:\tZ" not in status and b"State:\tX" not in status

    def wait_gone(self, pid: int, *, seconds: float = 60) -> None:
        """Wait until a process has ended."""
        deadline = time.monotonic() + seconds
        while self.is_there(pid):
            assert time.monotonic() < deadline, f"process {pid} is still there"
            time.sleep(0.01)
