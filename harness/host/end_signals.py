# SPDX-License-Identifier: GPL-2.0-only
"""The signals that ask a command to end: SIGINT, SIGTERM and SIGHUP."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


@contextmanager
def end_signals_handled(by: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have `by` handle these signals while the block runs; then set the earlier handlers again."""
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, by) for number in ends}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
