# SPDX-License-Identifier: GPL-2.0-only
"""The lab: everything one kernel line needs to run cells, built once and shared by all workers."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from harness.engines import MICROVM
from harness.host.errors import TooLate, VmLost
from harness.judge.conclusion import is_as_expected
from harness.lab.applicability import inapplicable
from harness.lab.images import BootImages, boot_images
from harness.lab.machines import Machines
from harness.lab.parser_clock import ParserClock, locked_kib, parser_clock
from harness.lab.parser_exploit import Exploited, parser_exploit
from harness.lab.plan import CellPlan, MachinePlan
from harness.lab.request_clock import check_fresh, request_clock
from harness.lab.trial import Trial
from harness.lab.trip_clock import trip_clock
from harness.lab.vmcore import Dump
from harness.model.attempt_end import AttemptEnd, End
from harness.model.cell import Cell, Outcome
from harness.model.handlers import HANDLERS, WITH_BUG
from harness.model.verdict import Axes, Verdict
from harness.scenarios.corpus import SHIPPED, Corpus
from harness.vm.probe import Accelerator, accelerator, watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from harness.engines.engine import Engine
    from harness.guests.initramfs import GuestImage
    from harness.kernel.build.images import KernelImage
    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.model.handlers import HandlerKind
    from harness.vm.machine import Machine
    from harness.vm.spec import MachineSpec

CALM_TRIES = 8
"""The most runs of a cell whose machine stands still, and of an exploit that comes too late."""


@dataclass(frozen=True)
class Lab:
    """One kernel line's images and machines. Safe to use from several threads."""

    line: str
    flavours: Mapping[str, BootImages]
    """The images of each flavour that was asked for; the line's own is ""."""
    accelerator: Accelerator
    kaslr: bool = False
    without: tuple[str, ...] = ()
    """The defences that all kernels leave out."""
    engine: Engine = MICROVM
    """How the machines boot."""
    is_foreign: bool = False
    """The kernel is of the user's choice, and may lack functions that scenarios name."""
    corpus: Corpus = SHIPPED
    """What the names of scenarios and variants stand for."""

    @classmethod
    def open(
        cls,
        line: str,
        variants: Iterable[str] | None = None,
        *,
        step: int | None = None,
        progress: Callable[[str], None],
        choice: KernelChoice | None = None,
        engine: Engine = MICROVM,
        corpus: Corpus = SHIPPED,
    ) -> Lab:
        """Find or build the images that the variants need, of the line or of the user's choice.

        Without `variants`, those are all variants of the corpus. A `step` is a part of the line's
        series, as in `kernel_image`. Raises UserError.
        """
        engine.check()
        chosen = watching(accelerator())
        wanted = corpus.variants if variants is None else variants
        flavours = boot_images(
            line,
            [corpus.variants[name] for name in wanted],
            step=step,
            choice=choice,
            progress=progress,
        )
        engine.make(progress=progress)
        return cls(
            line, flavours, chosen, engine=engine, is_foreign=choice is not None, corpus=corpus
        )

    @property
    def image(self) -> KernelImage:
        """The line's own kernel."""
        return self.flavours[""].kernel

    @property
    def guest(self) -> GuestImage:
        """The userspace for the line's own kernel."""
        return self.flavours[""].guest

    @property
    def machines(self) -> Machines:
        """The maker of this lab's machines."""
        return Machines(self.line, self.accelerator, self.engine, self.kaslr, self.without)

    def images(self, variant: str) -> BootImages:
        """The images on which `variant` runs."""
        return self.machine_plan(variant).images

    def vmlinux(self, variant: str) -> Path:
        """The vmlinux of a variant's kernel, for a debugger. Raises UserError if there is none."""
        return self.images(variant).kernel.vmlinux

    def plan(self, cell: Cell) -> CellPlan:
        """Resolve the names of a cell."""
        scenario = self.corpus.scenario(cell)
        variant = self.corpus.variant(cell)
        images = self.flavours[variant.flavour]
        why = inapplicable(
            scenario, variant, images.kernel, self.engine, is_foreign=self.is_foreign
        )
        return CellPlan(cell, scenario, variant, images, why, self.without)

    def machine_plan(self, variant: str, *, cpus: int = 1, boot: str = "") -> MachinePlan:
        """Resolve the name of a variant. Other CPUs or parameters make another machine."""
        resolved = self.corpus.variants[variant]
        return MachinePlan(resolved, self.flavours[resolved.flavour], cpus, boot)

    def spec(self, variant: str, *, boot: str = "") -> MachineSpec:
        """Describe a machine of `variant`, as `Machines.spec` does."""
        return self.machines.spec(self.machine_plan(variant, boot=boot))

    @contextmanager
    def machine(self, variant: str, *, boot: str = "", fresh: bool = False) -> Iterator[Machine]:
        """A running machine of `variant`, as `Machines.running` makes it."""
        with self.machines.running(self.machine_plan(variant, boot=boot), fresh=fresh) as machine:
            yield machine

    @contextmanager
    def trip_clock(
        self, variant: str, *, counts: bool = False
    ) -> Iterator[Callable[[int], list[int]]]:
        """Times round trips on a machine of its own (harness/lab/trip_clock.py).

        With `counts` the machine has just booted, and each trip is told in instructions.
        """
        plan = replace(self.machine_plan(variant), counts=counts)
        with (
            self.machines.running(plan, fresh=counts) as machine,
            trip_clock(machine, plan.images.kernel, plan.images.guest, counts=counts) as clock,
        ):
            yield clock

    @contextmanager
    def parser_clock(self, parser: str, variant: str, *, boot: str = "") -> Iterator[ParserClock]:
        """Times the parsers of files in a machine (harness/lab/parser_clock.py).

        `parser` is the name of a handler. `boot` has parameters beyond those of the variant.
        """
        plan = self._parsing_plan(HANDLERS[parser], variant, boot)
        with (
            self.machines.running(plan) as machine,
            parser_clock(machine, plan.images, parser) as clock,
        ):
            yield clock

    def locked_kib(self, parser: str, variant: str) -> int:
        """Return the KiB of memory that a handler has locked (harness/lab/parser_clock.py)."""
        plan = self._parsing_plan(HANDLERS[parser], variant)
        with self.machines.running(plan) as machine:
            return locked_kib(machine, plan.images)

    @contextmanager
    def request_clock(self, variant: str) -> Iterator[Callable[[int, int], dict[str, list[int]]]]:
        """Counts instructions on a machine of its own (harness/lab/request_clock.py)."""
        plan = replace(self.machine_plan(variant), counts=True)
        with (
            self.machines.running(plan, fresh=True) as machine,
            request_clock(machine, plan.images) as count,
        ):
            yield count

    def parser_exploit(
        self, parser: str, variant: str, *, boot: str = "", names: bool
    ) -> Exploited:
        """Exploit the bug of a parser in a machine (harness/lab/parser_exploit.py).

        `parser` is the name of the handler that has the parser without the bug. `boot` has
        parameters beyond those of the variant. If the handler replies too late, further machines
        try. Raises VmLost, OSError or UserError.
        """
        plan = self._parsing_plan(WITH_BUG[parser], variant, boot)
        booted = replace(plan.variant, cmdline=f"{plan.variant.cmdline} {boot}")

        def once() -> Exploited:
            with self.machines.running(plan) as machine:
                return parser_exploit(
                    machine,
                    plan.images,
                    parser,
                    is_thread=booted.is_thread,
                    is_framed=booted.has_defence("framing"),
                    names=names,
                )

        for _ in range(CALM_TRIES - 1):
            with suppress(TooLate):
                return once()
        return once()

    def _parsing_plan(self, kind: HandlerKind, variant: str, boot: str = "") -> MachinePlan:
        """Return the plan of a machine with this handler. Raises UserError."""
        plan = self.machine_plan(variant, boot=f"{kind.parameter} {boot}".strip())
        if "fresh" in boot:
            check_fresh(plan.images.kernel)
        return plan

    def run(self, cell: Cell, *, fresh: bool = False, vmcore: Path | None = None) -> Outcome:
        """Run one cell, from the saved state or, if `fresh`, from a boot of its own.

        A machine that is lost gives an `error` with its reason. The cell is run again if its
        outcome says `retry`. A machine whose outcome is not as expected is dumped to `vmcore`.
        """
        plan, dump = self.plan(cell), Dump(vmcore, partial(is_as_expected, self.corpus, cell))
        for _ in range(CALM_TRIES):
            outcome = self._run(plan, fresh=fresh, dump=dump)
            if not outcome.retry:
                break
        return dump.noted(outcome)

    def _run(self, plan: CellPlan, *, fresh: bool, dump: Dump) -> Outcome:
        if why := plan.inapplicable:
            return _without_witness(plan, Verdict.NOT_APPLICABLE, why.reason, why.end)
        trial: Trial | None = None
        start = time.monotonic()
        try:
            with self.machines.running(plan.machine, fresh=fresh) as machine:
                trial = Trial(plan, machine)
                return dump.after(partial(_timed, trial, start), machine)
        except VmLost as lost:
            outcome = replace(
                _without_witness(plan, Verdict.ERROR, str(lost), End.LOST),
                seconds=time.monotonic() - start,
            )
            return _after_loss(outcome, trial, lost) if trial else outcome


def _timed(trial: Trial, start: float) -> Outcome:
    """Run a trial; its outcome with the seconds since `start`."""
    return replace(trial.run(), seconds=time.monotonic() - start)


def _after_loss(outcome: Outcome, trial: Trial, lost: VmLost) -> Outcome:
    """Add what is known of a trial whose machine was lost.

    An attack that was to end the whole machine has won if QEMU tells that the guest ended it.
    """
    # The console is complete now that the machine is gone.
    known = replace(
        outcome,
        attempt=trial.tried,
        console=trial.machine.console(),
        traceback=trial.traceback,
    )
    was_to_end = trial.begun and trial.plan.scenario.ends_machine
    if not (was_to_end and lost.by_guest):
        return known
    return replace(
        known,
        verdict=Verdict.DISRUPTED,
        axes=Axes(availability=True),
        attempt_end=AttemptEnd(End.COMPLETED),
        carried_out=True,
        witness={"machine": str(lost)},
    )


def _without_witness(plan: CellPlan, verdict: Verdict, detail: str, end: End) -> Outcome:
    """The outcome of a cell of which the witness has nothing to say."""
    return Outcome(
        verdict=verdict,
        axes=Axes(),
        detail=detail,
        seconds=0.0,
        image=plan.images.kernel.key,
        attempt_end=AttemptEnd(end),
    )
