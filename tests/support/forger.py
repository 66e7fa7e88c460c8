# SPDX-License-Identifier: GPL-2.0-only
"""Forged replies on the agent's channel, and the result that a run draws from a forging attack."""

from __future__ import annotations

import struct
import time
from contextlib import suppress
from os import O_RDONLY
from signal import SIGSTOP
from typing import TYPE_CHECKING, Any

from cells import NAME, Cells

from harness.judge import conclusion
from harness.model.attempt_end import AttemptEnd, End
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Axes
from harness.scenarios import REFERENCES, SCENARIOS, Effect
from harness.scenarios.corpus import SHIPPED
from harness.scenarios.registry import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.judge.result import Result
    from harness.witness.handler import Handler

    Attack = Callable[[Attacker, Handler], None]

CHANNEL_FD = 900
"""The agent's end of the channel (guest-images/agent/agent.c)."""

NEVER_REACHED = "the attack never reached the handler in the kernel"


def frame(ident: int, result: int) -> bytes:
    """A reply in the agent's format, without returned memory."""
    return struct.pack("<IIq", 12, ident, result)


def last_request(attacker: Attacker) -> int:
    """The number of the last request; the next one's is higher by 1."""
    return attacker._channel._ident


def hurry(attacker: Attacker, seconds: float = 0.5) -> None:
    """Shorten the host's deadline for a reply, for tests in which no reply comes."""
    attacker._channel._reply_seconds = seconds


def forge(attacker: Attacker, *results: int) -> None:
    """Send the replies of the coming calls in advance, and stop the agent before them."""
    agent = attacker.getpid()
    now = last_request(attacker)
    answers = [frame(now + 2 + number, result) for number, result in enumerate((0, *results))]
    lies = b"".join(answers)
    # The forger's own two calls, this write and the kill, are answered along with the rest.
    attacker.write(CHANNEL_FD, frame(now + 1, len(lies) + len(frame(0, 0))) + lies)
    attacker.kill(agent, SIGSTOP)


def wait_for(attacker: Attacker, path: str) -> None:
    """Wait for a file to appear."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError):
            attacker.open(path, O_RDONLY).close()
            return
        time.sleep(0.02)
    raise AssertionError(f"no {path} in the guest")


def write(attacker: Attacker, path: str, text: str) -> None:
    """Write a value to one of the kernel's settings."""
    attacker.write_file(path, text.encode())


def sysrq(attacker: Attacker, keys: str) -> None:
    """Trigger a SysRq command, which the kernel executes even if no process runs."""
    for key in keys:
        write(attacker, "/proc/sysrq-trigger", key)


def results(cells: Cells, attack: Attack, *variants: str, **declared: Any) -> dict[str, Result]:
    """The results of an attack on its control and on `variants`, with good reference cells."""
    line, chosen = cells.lab.line, ("baseline", *variants)
    outcomes = {
        Cell(line, variant, name): Outcome(
            verdict=SCENARIOS[name].effect.wins,
            axes=Axes(integrity=name == "host_tamper"),
            detail="",
            seconds=0,
            image="",
            attempt_end=AttemptEnd(End.UNKNOWN),
            witness={"said": "by another test"},
        )
        for variant in chosen
        for name in REFERENCES
    }
    for variant in chosen:
        outcomes[Cell(line, variant, NAME)] = cells.run(attack, variant, **declared)
    corpus = SHIPPED.with_scenarios({NAME: made_up(attack)})
    return {
        variant: conclusion.conclude(corpus, Cell(line, variant, NAME), outcomes)
        for variant in chosen
    }


def made_up(attack: Attack, **declared: Any) -> Scenario:
    """A scenario of an attack that a test made up."""
    return Scenario(
        name=NAME,
        summary="made up",
        attack=attack,
        effect=Effect.INTEGRITY,
        surface="test",
        answers=(),
        **declared,
    )
