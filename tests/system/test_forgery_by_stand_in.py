# SPDX-License-Identifier: GPL-2.0-only
"""A process that answers in the place of the handler, which it has stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
from cells import Cells, cells
from guest_module import WITNESS
from kernel_forgery import Forgery, run_forger

from harness.guests.payloads import compile_program

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

SOURCE = Path(__file__).with_name("stand_in.c")
ANSWERS = 20
VARIABLES = ("secret", "chain", "request")


def start(forgery: Forgery, *flags: str) -> None:
    """Start the program. The handler never runs again."""
    attacker, handler = forgery.attacker, forgery.handler
    compile_program(SOURCE, forgery.folder / "stand_in", f"-I{WITNESS}", *flags)
    attacker.write_file("/stand_in", (forgery.folder / "stand_in").read_bytes(), mode=0o755)
    places = (str(handler.symbol(name)) for name in VARIABLES)
    attacker.spawn("/stand_in", str(handler.pid), *places)


def last_reply(forgery: Forgery) -> bytes:
    """The head of the reply that the handler itself made last."""
    machine = forgery.handler._machine
    with machine.paused():
        return machine.read(forgery.handler.physical("reply"), 24)


def stand_in(forgery: Forgery) -> None:
    """The witness gets right replies, to the end of the cell, and the handler makes none."""
    start(forgery)
    witness, pid = forgery.handler._witness, forgery.handler.pid
    forgery.handler.let_pass(500_000_000)
    last, right = last_reply(forgery), witness.read().count.right
    witness.wait(lambda tally: tally.count.right > right + ANSWERS, seconds=60, what="answers")
    assert (last_reply(forgery), forgery.handler.pid) == (last, pid)
    forgery.proofs.append("another's replies")


def other_secret_half_of_the_time(forgery: Forgery) -> None:
    """The stopped handler has another secret half of the time."""
    start(forgery, "-DFLICKER=4")
    forgery.wait_for_other_secret()
    forgery.handler.let_pass(500_000_000)


def test_no_stand_in_forges_a_verdict(cells: Cells, tmp_path: Path) -> None:
    """On `baseline` the steps of the program succeed. The witness counts the handler's own writes.

    The program has a handler's pipes open only while it keeps the guest's only CPU. So they have no
    further holder whenever the witness looks.
    """
    forged = run_forger(cells, stand_in, tmp_path, "baseline")
    forged.check_seen()
    assert "stand in" in forged.outcome.detail


def test_a_secret_that_is_another_half_of_the_time_is_seen(cells: Cells, tmp_path: Path) -> None:
    run_forger(cells, other_secret_half_of_the_time, tmp_path, "baseline").check_seen()
