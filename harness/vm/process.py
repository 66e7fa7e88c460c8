# SPDX-License-Identifier: GPL-2.0-only
"""A QEMU process: started without privileges, always ended, with its console and errors."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Self, cast

from harness.host.errors import UserError
from harness.vm.console import Console, escape
from harness.vm.demotion import confinement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EXIT_SECONDS = 10
WORDS = 2000


class Process:
    """A QEMU that runs in `directory` until the end of its `with` block.

    Outside of `directory` it can open only the files of the descriptors `readable`, and whatever
    the Landlock rules `reach` allow (`demotion.confinement`). It inherits the descriptors
    `inherited` as they are. Its standard output is the guest's console. Raises UserError if QEMU
    is not installed.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        directory: Path,
        readable: Sequence[int],
        reach: Sequence[str] = (),
        inherited: Sequence[int],
    ) -> None:
        self.directory = directory
        self._errors = (directory / "stderr").open("w+b")
        try:
            self._process = subprocess.Popen(
                [*confinement(readable, reach), *arguments],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                pass_fds=[*readable, *inherited],
                # Ctrl-C must not reach QEMU, which ends with its context.
                start_new_session=True,
            )
        except BaseException as error:
            self._errors.close()
            if isinstance(error, FileNotFoundError):
                raise UserError(
                    f"{error.filename} is not installed",
                    hint="install it: `umd-harness doctor` names the package",
                ) from error
            raise
        self.pid = self._process.pid
        try:
            self._console = Console(cast("IO[bytes]", self._process.stdout))
        except BaseException:  # no thread, or Ctrl-C: no context manager would end QEMU
            self._process.kill()
            self._process.wait(EXIT_SECONDS)
            self._errors.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._errors.close()

    def kill(self) -> None:
        """Kill QEMU; the context manager reaps it. Any thread may call this."""
        self._process.kill()

    def end(self) -> None:
        """Kill and reap QEMU, and read its console to the end."""
        self._process.kill()
        self._wait(EXIT_SECONDS)
        self._console.close()

    def console(self) -> str:
        """Return the guest's output, escaped and capped."""
        return self._console.text()

    def status(self, *, seconds: float) -> int | None:
        """Wait for QEMU; return its exit status, or the negated number of the signal it died of.

        Return None if it still runs after `seconds`.
        """
        try:
            status = self._wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._console.hear_out()
        return status

    def _wait(self, seconds: float) -> int:
        """Wait for QEMU's end, and reap it. Raises TimeoutExpired.

        A wait of Popen with a deadline polls, up to every 50 ms.
        """
        deadline = time.monotonic() + seconds
        with suppress(OSError):  # reaped already, or a host without pidfds
            pidfd = os.pidfd_open(self.pid)
            try:
                ended = select.poll()
                ended.register(pidfd, select.POLLIN)
                ended.poll(seconds * 1000)
            finally:
                os.close(pidfd)
        return self._process.wait(max(0, deadline - time.monotonic()))

    def last_words(self) -> str:
        """Return the end of QEMU's standard error, escaped."""
        self._errors.seek(0)
        return escape(self._errors.read()[-WORDS:]).strip()


def signal_name(status: int) -> str:
    """Return the name of the signal in a negative exit status, such as -9 for SIGKILL."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
