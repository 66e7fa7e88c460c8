# SPDX-License-Identifier: GPL-2.0-only
"""One command as root in a machine of a variant, without a terminal."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING

from harness.attacker import SetupFailed
from harness.attacker.agent.command import run_command
from harness.attacker.agent.terminal import ENVIRONMENT
from harness.host.errors import UserError, VmLost
from harness.report.text import visible
from harness.shell.session import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.shell.session import ShellTarget


def run_in_guest(
    target: ShellTarget, command: Sequence[str], *, gdb: bool = False, say: Callable[[str], None]
) -> int:
    """Run a command in the guest; return its exit status, 128 + N for signal N.

    What it prints goes to standard output and standard error. Raises UserError.
    """
    try:
        with opened(target, gdb=gdb, say=say) as (_, attacker, handler):
            status = run_command(
                attacker,
                (*target.lab.engine.command, *command),
                env=ENVIRONMENT | {"UMD_HANDLER_PID": str(handler)},
                out=_printer(sys.stdout),
                err=_printer(sys.stderr),
            )
    except SetupFailed as error:
        raise UserError(
            f"the guest starts no command: {visible(str(error))}",
            hint="try --boot, or attach a debugger with --gdb",
        ) from error
    except VmLost as lost:
        raise UserError(
            f"the machine of {target.subject} ended before the command: {visible(str(lost))}",
            hint="boot it with --boot and read its messages",
        ) from lost
    ended = os.waitstatus_to_exitcode(status)
    return ended if ended >= 0 else 128 - ended


def _printer(to: IO[str]) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        to.flush()
        to.buffer.write(data)  # type: ignore[attr-defined] # a text file on a binary file
        to.buffer.flush()  # type: ignore[attr-defined]

    return write
