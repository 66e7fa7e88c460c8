# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness`: a command is run, ended by signals, and its exit status returned.

A command's module imports at its top only what its options need. What takes time to import is
imported in its function `run`, where possible after the first line of output.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.cli.parser import parser
from harness.host.children import kill_children
from harness.host.end_signals import end_signals_handled, ignore_end_signals
from harness.host.errors import UserError, mendable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

_BROKEN_PIPE = 141  # 128 + SIGPIPE


class _Stopped(KeyboardInterrupt):
    """A signal that asks the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.status = 128 + number  # as shells have it
        self.message = "stopped"
        if number != signal.SIGINT:
            name = signal.Signals(number).name
            self.message += f" by {name}; what was built stays: the same command goes on from there"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 2 for what the user has to mend, and for a defect.

    Without `argv` the process ends with the command: no later signal changes the exit status.
    """
    whole = parser()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks for completions
        from harness.cli.completers import complete

        complete(whole)
    parsed = whole.parse_args(argv)
    if sys.stdout is None:
        sys.stderr.write("umd-harness: its output is closed; send it to /dev/null instead\n")
        return 2
    command: Callable[[argparse.Namespace], int] = parsed.command
    try:
        with _ended_by_signals(until_exit=argv is None):
            status = command(parsed)
            sys.stdout.flush()
    except UserError as error:
        sys.stderr.write(f"umd-harness: {error}\n")
        return 2
    except _Stopped as stopped:
        ignore_end_signals()
        # The signal may have come while a child was started, before anything ended that child.
        kill_children()
        sys.stderr.write(f"umd-harness: {stopped.message}\n")
        return stopped.status
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; Python would complain again at its own exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:
        if told := mendable(error):
            sys.stderr.write(f"umd-harness: {told}\n")
        else:  # a defect; Python's own status for it, 1, says that a result is not as expected
            traceback.print_exc()
        return 2
    return status


@contextmanager
def _ended_by_signals(*, until_exit: bool) -> Iterator[None]:
    """Let the first signal that asks for an end raise _Stopped; ignore all further signals.

    The first signal starts the cleanup, whose steps all have deadlines. A second Ctrl-C must not
    interrupt it.
    """
    stopped = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            raise _Stopped(number)

    with end_signals_handled(stop, until_exit=until_exit):
        yield
