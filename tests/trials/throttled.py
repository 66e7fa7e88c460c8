# SPDX-License-Identifier: GPL-2.0-only
"""An attack by a throttled process, which keeps the lock of per-CPU memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attacker.tools.throttle import Errand
from harness.model.verdict import Effect
from harness.scenarios.registry import scenario
from harness.scenarios.scheduling import PAST_DEADLINE_NS

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler


@scenario(
    effect=Effect.AVAILABILITY,
    surface="own",
    answers=("L6", "R16"),
    target="system",
    reach="pcpu_alloc_noprof",
    since="6.12",  # before 6.2, no exec allocates per-CPU memory
)
def percpu_lock_throttled(attacker: Attacker, handler: Handler) -> None:
    """Throttle a process that makes a chunk of per-CPU memory. Each exec waits for its lock.

    No memory has to be reclaimed: the kernel looks for other processes each time it has allocated
    100 pages for its notes on the chunk.
    """
    taker = Errand(attacker, attacker.payload("take_percpu"))
    if not taker.run("dawdle_in_percpu"):
        raise LookupError("no chunk was made")
    handler.restart()
    handler.let_pass(PAST_DEADLINE_NS)
    taker.release()
