# SPDX-License-Identifier: GPL-2.0-only
"""Running machines for tests written by hand: what pytest's fixture `umd_guest` makes.

A scenario is judged with its control and references; a test by hand judges for itself, and can
look at the witness at any moment.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel
from harness.brought.attack_program import PROGRAM_SECONDS, Program
from harness.judge.cells import all_cells
from harness.kernel.series.series import DEFAULT_LINE
from harness.lab.lab import Lab
from harness.lab.trial import aftermath, first_request
from harness.model.attempt_end import AttemptEnd, End
from harness.scenarios.corpus import SHIPPED
from harness.witness.conclude import Conclusion, Evidence, conclude
from harness.witness.handler import Handler
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.attacker.agent.program import ProgramExit
    from harness.model.variants import Variant
    from harness.vm.machine import Machine
    from harness.witness.tally import Tally

ATTEMPT_SECONDS = 300.0
"""How long a test may have its guest make system calls; each has ten seconds."""


@dataclass(frozen=True)
class Guest:
    """A running machine of a variant, root in it, the handler, and the witness that asks it.

    `attacker` makes system calls in the guest, which raise OSError; `handler` is whom to attack,
    by its `pid` and its `start` in clock ticks; `witness` is read from outside the guest.
    Whatever has to do with a machine that is gone raises VmLost.
    """

    variant: Variant
    machine: Machine
    attacker: Attacker
    handler: Handler
    witness: Witness
    before: Tally
    taint: int

    def run(self, path: Path, *, seconds: float = PROGRAM_SECONDS) -> ProgramExit:
        """Run a static program or a C file as root in the guest; raises UserError for no such.

        Its environment names the handler (docs/how-to/own-attack.md).
        """
        program = Program.load(path, seconds=seconds)
        with self.attacker.setup():
            program.place(self.attacker)
        return program.run(self.attacker, self.handler)

    def conclude(self) -> Conclusion:
        """Run the aftermath and say what the handler lost since its machine was made.

        `held` says that nothing was lost, not that anything arrived: only a scenario shows that.
        """
        attacked = self.witness.read()
        after, ended = aftermath(self.witness)
        evidence = Evidence(
            before=self.before,
            attacked=attacked,
            after=after,
            taint=self.witness.taint() & ~self.taint,
            reached=None,
            shown=tuple(self.attacker.shown),
            secrets=frozenset(self.witness.secrets),
            gained=tuple(self.attacker.gained),
            aftermath_ended=ended,
            stalled=self.witness.heartbeat.stalled,
            forced=self.handler.restarts,
            inside=False,
            whole_kernel=False,
            policed=self.variant.rival is not None,
            witness_changed=False,
        )
        return conclude(evidence, AttemptEnd(End.COMPLETED))


GuestMaker = Callable[[str], Guest]
"""From a variant's name to a machine of it. Raises UserError for a name that is none."""


@contextmanager
def guests(line: str = DEFAULT_LINE) -> Iterator[GuestMaker]:
    """Give what makes guests, each from its variant's saved state; they end with the block."""
    with ExitStack() as stack:
        yield lambda variant: stack.enter_context(_guest(line, variant))


@contextmanager
def _guest(line: str, name: str) -> Iterator[Guest]:
    all_cells(SHIPPED, line, [name])
    lab = _lab(line, name)
    variant, images = SHIPPED.variants[name], lab.images(name)
    with lab.machine(name) as machine:
        witness = Witness(machine, images.kernel)
        first_request(witness)
        handler = Handler(variant, machine, images.kernel, witness)
        with Channel(machine.agent_socket(), attempt_seconds=ATTEMPT_SECONDS) as channel:
            attacker = Attacker(channel, images.guest)
            with attacker.setup():
                handler.note_start(attacker)
            taint, before = witness.taint(), witness.read()
            yield Guest(variant, machine, attacker, handler, witness, before, taint)


@cache
def _lab(line: str, variant: str) -> Lab:
    return Lab.open(line, [variant], progress=lambda _: None)
