# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that hide their effect: they act late, undo it, or replace the handler by a copy."""

from __future__ import annotations

from os import O_NONBLOCK
from signal import SIGKILL
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, overwrite, touch
from forger import wait_for

from harness.model.verdict import Axes, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.witness.handler import Handler

    Attack = Callable[[Attacker, Handler], None]

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

AMBUSH = """
trap '' PIPE
read x </proc/loadavg
>/ready
while [ -e /proc/{pid}/fd/1 ]; do :; done
while :; do
    read a b c d last </proc/loadavg
    pid=$$
    while [ $((pid += 1)) -le $last ]; do
        printf %{size}s held >/proc/$pid/fd/1
    done
done
"""
"""Waits for the handler's end, then forges the replies of whatever was started since."""


def test_a_blow_that_falls_in_the_aftermath_counts(cells: Cells) -> None:
    """When the attack is over, and the kernel itself has had the handler restarted."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        script = AMBUSH.format(pid=handler.pid, size=handler.reply_size)
        attacker.spawn("/bin/busybox", "sh", "-c", script)
        wait_for(attacker, "/ready")

    outcome = cells.run(attack)
    attacked = outcome.witness["attacked"]
    assert (attacked["count"]["wrong"], attacked["violations"]) == (0, [])
    assert outcome.verdict is Verdict.TAMPERED, outcome.detail


def kill(attacker: Attacker, handler: Handler) -> None:
    """Nobody can be asked any more what was done to it."""
    attacker.kill(handler.pid, SIGKILL)


def unload(attacker: Attacker, handler: Handler) -> None:
    """The next handler comes with a fresh load."""
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)


@pytest.mark.parametrize("undo", [kill, unload])
def test_what_was_seen_stays_seen(cells: Cells, undo: Attack) -> None:
    """The handler that was tampered with is gone, all answers are right, and the tally remains."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        overwrite(attacker, handler)
        witness = handler._witness
        witness.wait(lambda tally: tally.count.wrong > 0, seconds=60, what="wrong reply")
        undo(attacker, handler)
        handler.wait_for_request()

    outcome = cells.run(attack)
    assert outcome.verdict is Verdict.TAMPERED, outcome.detail
    assert outcome.axes == Axes(integrity=True, availability=True)
    assert not any(phase["wrong"] for phase in outcome.witness["after"]["phases"])


def test_a_likeness_from_another_module_is_not_the_handler(cells: Cells) -> None:
    """It gives right answers, and will do anything else that it is asked for, too."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        other = attacker.read_file("/lib/modules/umd_witness_backdoor.ko")
        attacker.unlink(f"/lib/modules/{handler.loader}.ko")
        attacker.write_file(f"/lib/modules/{handler.loader}.ko", other, mode=0o644)

    outcome = cells.run(attack)
    assert (outcome.verdict, outcome.detail) == (Verdict.TAMPERED, "image")
    assert outcome.witness["after"]["count"]["wrong"] == 0
