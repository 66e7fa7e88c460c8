# SPDX-License-Identifier: GPL-2.0-only
"""A QEMU process: started without privileges, ended for certain, and what it left to say."""

from __future__ import annotations

import signal
import subprocess
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
    """QEMU in `directory`, from here to the end of its `with` block.

    It opens nothing outside but the files of the descriptors `readable` and what the Landlock
    rules `reach` say; `inherited` it may use as they are. Its standard output is the
    guest's console. Raises UserError if QEMU is not installed.
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
                # Ctrl-C is for us; QEMU ends when its context does.
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
        except BaseException:  # no thread to be had, or Ctrl-C: nobody else will end it
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
        """Kill it, and leave the rest to its context."""
        self._process.kill()

    def end(self) -> None:
        """Kill and reap it, and hear its console out."""
        self._process.kill()
        self._process.wait(EXIT_SECONDS)
        self._console.close()

    def console(self) -> str:
        """What the guest printed, escaped and capped."""
        return self._console.text()

    def status(self, *, seconds: float) -> int | None:
        """Its exit status, or minus the signal's number; None if it still runs in `seconds`."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._console.hear_out()
        return status

    def last_words(self) -> str:
        """The end of what QEMU itself complained of, escaped."""
        self._errors.seek(0)
        return escape(self._errors.read()[-WORDS:]).strip()


def signal_name(status: int) -> str:
    """The name of the signal in a negative exit status."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
