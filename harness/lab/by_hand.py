# SPDX-License-Identifier: GPL-2.0-only
"""Running machines for tests written by hand: pytest's fixture `umd_guest` makes them.

A scenario is judged with its control and its reference cells. A test by hand judges for itself,
and can look at the witness at any moment.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel
from harness.brought.attack_program import PROGRAM_SECONDS, AttackProgram
from harness.engines import ENGINES, MICROVM
from harness.host.paths import cache_dir
from harness.judge.cells import check_variants
from harness.kernel.choice.built import variants_of
from harness.kernel.series.lines import DEFAULT_LINE
from harness.lab.account import Account
from harness.lab.lab import Lab
from harness.lab.trial import aftermath
from harness.model.attempt_end import AttemptEnd, End
from harness.scenarios.corpus import SHIPPED
from harness.witness.cell_verdict import CellVerdict, draw_verdict
from harness.witness.handler import Handler
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.attacker.agent.program import ProgramExit
    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.model.variants import Variant
    from harness.scenarios.corpus import Corpus
    from harness.vm.machine import Machine
    from harness.witness.tally import Tally

ATTEMPT_SECONDS = 300.0
"""How long a test may have its guest make system calls; each has ten seconds."""


@dataclass(frozen=True)
class Guest:
    """A running machine of a variant, with root in it, the handler, and the witness.

    All methods, also those of the attacker, the handler and the witness, raise VmLost if the
    machine is gone.
    """

    variant: Variant
    """The variant that the machine booted."""
    machine: Machine
    """The machine: its memory, and its monitor."""
    attacker: Attacker
    """Makes system calls in the guest, which raise OSError."""
    handler: Handler
    """The process to attack: its `pid`, and its `start` in clock ticks."""
    witness: Witness
    """The witness. The host can read its tally at any moment, from outside the guest."""
    before: Tally
    """The tally when the guest was made."""
    account: Account
    """What the host has noted since the guest was made."""

    def run(self, path: Path, *, seconds: float = PROGRAM_SECONDS) -> ProgramExit:
        """Run a static program or a C file as root in the guest. Raises UserError for another file.

        The program learns of the handler as docs/how-to/own-attack.md says.
        """
        program = AttackProgram.load(path, seconds=seconds)
        with self.attacker.setup():
            program.place(self.attacker)
        return program.run(self.attacker, self.handler)

    def conclude(self) -> CellVerdict:
        """Run the aftermath, and draw the verdict on all that happened since the guest was made.

        `held` says that nothing was lost. Only a scenario can show that an attack arrived.
        """
        attacked = self.account.attacked(self.before, self.attacker)
        after, ended = aftermath(self.witness)
        evidence = self.account.concluded(attacked, after, ended=ended)
        return draw_verdict(evidence, AttemptEnd(End.COMPLETED))


GuestMaker = Callable[[str], Guest]
"""Makes a guest of the variant of this name. Raises UserError if there is no such variant."""


class Labs:
    """The labs of the variants that tests ask for. Each is opened once."""

    def __init__(
        self,
        line: str = DEFAULT_LINE,
        *,
        kernel: KernelChoice | None = None,
        engine: str = MICROVM.name,
        corpus: Corpus = SHIPPED,
    ) -> None:
        """Store what the labs have in common; `kernel` is the user's own, if there is one."""
        self._line = line
        self._kernel = kernel
        self._engine = engine
        self._corpus = corpus
        self._opened: dict[str, Lab] = {}

    def of(self, variant: str) -> Lab:
        """Return the variant's lab. Raises UserError, also if the kernel lacks the variant."""
        if variant not in self._opened:
            check_variants(self._corpus, [variant], engine=self._engine)
            self._opened[variant] = self._open(variant)
        return self._opened[variant]

    def _open(self, variant: str) -> Lab:
        if self._kernel:
            self._kernel = self._kernel.settled(cache=cache_dir())
            variants_of(self._kernel, self._corpus.variants, [variant], progress=_silent)
        return Lab.open(
            self._line,
            [variant],
            progress=_silent,
            choice=self._kernel,
            engine=ENGINES[self._engine],
            corpus=self._corpus,
        )


def _silent(_text: str) -> None:
    """Print no progress."""


_LABS = Labs()


@contextmanager
def guests(labs: Labs = _LABS) -> Iterator[GuestMaker]:
    """Yield a maker of guests. Each starts from a saved state, and ends with the block."""
    with ExitStack() as stack:
        yield lambda variant: stack.enter_context(_guest(labs.of(variant), variant))


@contextmanager
def _guest(lab: Lab, name: str) -> Iterator[Guest]:
    plan = lab.machine_plan(name)
    variant, images = plan.variant, plan.images
    with lab.machines.running(plan) as machine:
        witness = Witness(machine, images.kernel)
        witness.first_request()
        handler = Handler(variant, machine, images.kernel, witness)
        with Channel(machine.agent_socket(), attempt_seconds=ATTEMPT_SECONDS) as channel:
            attacker = Attacker(channel, images.guest)
            with attacker.setup():
                handler.note_start(attacker)
            account = Account(machine, images.kernel, variant, witness, handler)
            yield Guest(variant, machine, attacker, handler, witness, witness.read(), account)
