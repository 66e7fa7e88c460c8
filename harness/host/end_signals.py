# SPDX-License-Identifier: GPL-2.0-only
"""The signals that ask a command to end: SIGINT, SIGTERM and SIGHUP."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def end_signals_handled(
    by: Callable[[int, FrameType | None], None], *, until_exit: bool = False
) -> Iterator[None]:
    """Have `by` handle these signals while the block runs; then set the earlier handlers again.

    With `until_exit` the signals are ignored after the block, until the process has ended.
    """
    before = {number: signal.signal(number, by) for number in ENDS}
    try:
        yield
    finally:
        if until_exit:
            ignore_end_signals()
        else:
            for number, handler in before.items():
                signal.signal(number, handler)


def ignore_end_signals() -> None:
    """Ignore these signals until the process ends, also while Python ends itself."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
