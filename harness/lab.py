# SPDX-License-Identifier: GPL-2.0-only
"""The lab: everything one kernel line needs to run cells, built once and shared by all workers."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.attacker import Attacker, Channel
from harness.attempt_end import End, attempt
from harness.cell import Cell, Outcome
from harness.errors import VmLost
from harness.guest_image import GuestImage, guest_image
from harness.handler import Handler
from harness.kernel.build import kernel_image
from harness.scenarios import SCENARIOS
from harness.variants import VARIANTS
from harness.vm.machine import Machine
from harness.vm.probe import Accelerator, accelerator
from harness.vm.spec import MachineSpec
from harness.vm.states import saved_state
from harness.witness.conclude import Evidence, conclude
from harness.witness.reader import Silent, Witness
from harness.witness.tally import REACH, Tally
from harness.witness.verdict import Axes, Effect, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.attempt_end import AttemptEnd
    from harness.kernel.images import KernelImage
    from harness.scenarios.registry import Scenario

BOOT_SECONDS = 120
WARM_REQUESTS = 16


@dataclass(frozen=True)
class Lab:
    """One kernel line's images and machines. Safe to use from several threads."""

    line: str
    image: KernelImage
    guest: GuestImage
    accelerator: Accelerator

    @classmethod
    def open(cls, line: str, *, progress: Callable[[str], None]) -> Lab:
        """Find or build what is needed. Raises UserError if something cannot be had."""
        chosen = accelerator()
        image = kernel_image(line, progress=progress)
        return cls(line, image, guest_image(image, progress=progress), chosen)

    def spec(self, variant: str) -> MachineSpec:
        """The machine on which `variant` runs."""
        watched = ",".join(watched_functions())
        return MachineSpec(
            name=f"{self.line}-{variant}",
            kernel=self.image.bzimage,
            kernel_key=self.image.key,
            initramfs=self.guest.initramfs,
            guest_key=self.guest.key,
            cmdline=f"{VARIANTS[variant].cmdline} umd_witness.reach={watched}",
        )

    def run(self, cell: Cell, *, fresh: bool = False) -> Outcome:
        """Run one cell, from the saved state or, if `fresh`, from a boot of its own.

        Whatever goes wrong with the machine is an `error` with its reason.
        """
        if reason := SCENARIOS[cell.scenario].not_applicable.get(cell.variant):
            return self._without_a_machine(Verdict.NOT_APPLICABLE, reason)
        machine: Machine | None = None
        tried: list[dict[str, Any]] = []
        start = time.monotonic()
        try:
            with self._machine(cell.variant, fresh=fresh) as machine:
                return self._attack(cell, machine, start, tried)
        except VmLost as lost:
            return Outcome(
                verdict=Verdict.ERROR,
                axes=Axes(),
                detail=str(lost),
                seconds=time.monotonic() - start,
                image=self.image.key,
                attempt_end="lost",
                attempt=tried,
                # Heard to its end, now that the machine is gone.
                console=machine.console() if machine else "",
            )

    def _without_a_machine(self, verdict: Verdict, detail: str) -> Outcome:
        return Outcome(
            verdict=verdict,
            axes=Axes(),
            detail=detail,
            seconds=0.0,
            image=self.image.key,
            attempt_end="not tried",
        )

    @contextmanager
    def _machine(self, variant: str, *, fresh: bool) -> Iterator[Machine]:
        spec = self.spec(variant)
        if fresh:
            with Machine.boot(spec, self.accelerator) as machine:
                self._warm(machine)
                yield machine
            return
        state = saved_state(spec, self.accelerator, ready=self._park)
        with Machine.restore(spec, self.accelerator, state) as machine:
            yield machine

    def _warm(self, machine: Machine) -> None:
        """Wait for a handler that answers."""
        witness = Witness(machine, self.image)
        witness.appear(seconds=BOOT_SECONDS)
        witness.wait(
            lambda t: t.count.right >= WARM_REQUESTS, seconds=BOOT_SECONDS, what="warm handler"
        )

    def _park(self, machine: Machine) -> None:
        self._warm(machine)
        with Channel(machine.agent_socket()) as channel:
            Attacker(channel, self.guest).getpid()
        Witness(machine, self.image).park()

    def _attack(
        self, cell: Cell, machine: Machine, start: float, tried: list[dict[str, Any]]
    ) -> Outcome:
        """Attack, and conclude. What was tried is left in `tried` even if the machine is lost."""
        scenario, variant = SCENARIOS[cell.scenario], VARIANTS[cell.variant]
        witness = Witness(machine, self.image)
        taint = witness.taint()
        before = _first_request(witness)
        with Channel(machine.agent_socket()) as channel:
            attacker = Attacker(channel, self.guest)
            try:
                end = attempt(
                    scenario,
                    attacker,
                    Handler(machine, self.image, witness, loader=variant.loader),
                    is_thread=not variant.handler,
                )
            finally:
                tried += attacker.attempt.as_json()
            reached = _reached(scenario, end, before, witness.read())
            after, ended = _aftermath(witness)
        evidence = Evidence(
            before=before,
            after=after,
            taint=witness.taint() & ~taint,
            reached=reached,
            shown=tuple(attacker.shown),
            secrets=frozenset(witness.secrets),
            aftermath_ended=ended,
            stalled=witness.pulse.stalled,
        )
        return self._outcome(evidence, end, tried, machine, start)

    def _outcome(
        self,
        evidence: Evidence,
        end: AttemptEnd,
        tried: list[dict[str, Any]],
        machine: Machine,
        start: float,
    ) -> Outcome:
        conclusion = conclude(evidence, end)
        return Outcome(
            verdict=conclusion.verdict,
            axes=conclusion.axes,
            detail=conclusion.detail,
            seconds=time.monotonic() - start,
            image=self.image.key,
            attempt_end=str(end),
            witness={
                "before": evidence.before.as_json(),
                "after": evidence.after.as_json(),
                "reached": evidence.reached,
                "taint": evidence.taint,
                "stalled_seconds": round(evidence.stalled, 3),
            },
            attempt=tried,
            console=machine.console(),
        )


def watched_functions() -> list[str]:
    """The kernel functions that scenarios must reach, in the order of the witness's counters."""
    named = {name for s in SCENARIOS.values() for name in (s.reach, s.no_target_at) if name}
    functions = sorted(named)
    if len(functions) > REACH:
        raise ValueError(f"{len(functions)} functions to watch, the witness has room for {REACH}")
    return functions


def _reached(scenario: Scenario, end: AttemptEnd, before: Tally, now: Tally) -> int | None:
    """How often the function that proves the attack's arrival was called; None if none can."""
    function = scenario.no_target_at if end.end is End.NO_TARGET else scenario.reach
    if function is None:
        # Who attacks from inside and names no function cannot show that it arrived (rule 3),
        # unless there is nothing to arrive at.
        excused = scenario.from_host or scenario.effect is Effect.NONE
        return None if excused or end.end is End.NO_TARGET else 0
    place = watched_functions().index(function)
    if now.reach[place] < 0:
        raise VmLost(f"this kernel has no function {function} to watch")
    return now.reach[place] - before.reach[place]


def _first_request(witness: Witness) -> Tally:
    """The tally once the restored witness has asked with random numbers of its own (rule 4)."""
    right = witness.read().count.right
    return witness.wait(lambda t: t.count.right > right, seconds=15, what="first right reply")


def _aftermath(witness: Witness) -> tuple[Tally, bool]:
    """The tally after the aftermath, and whether it ended.

    A heart that goes on beating while the aftermath does not end is a disruption; one that
    stopped is no evidence at all (rule 2), so Silent is passed on.
    """
    try:
        return witness.aftermath(), True
    except Silent as silent:
        if not silent.alive:
            raise
        return witness.read(), False
