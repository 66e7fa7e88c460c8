# SPDX-License-Identifier: GPL-2.0-only
"""The lab: everything one kernel line needs to run cells, built once and shared by all workers."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.attacker import Attacker, Channel, GuestError
from harness.engines import MICROVM
from harness.guests.initramfs import GuestImage, guest_image
from harness.host.errors import UserError, VmLost
from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest
from harness.kernel.build.renamed import has_function
from harness.lab.trial import Trial, watched
from harness.lab.trip_clock import trip_clock
from harness.lab.vmcore import Dump
from harness.model.attempt_end import End
from harness.model.cell import LACKING, Cell, Outcome
from harness.model.verdict import Axes, Verdict
from harness.scenarios.corpus import SHIPPED, Corpus
from harness.scenarios.registry import unmet
from harness.vm.machine import Machine
from harness.vm.probe import Accelerator, accelerator
from harness.vm.spec import MachineSpec
from harness.vm.states import BAD_BOOTS, BOOTS, saved_state
from harness.witness.conclude import STOOD_STILL
from harness.witness.enforcing import check_policy
from harness.witness.heartbeat import check_clock
from harness.witness.reader import Witness

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from harness.engines.engine import Engine
    from harness.kernel.build.images import KernelImage
    from harness.kernel.choice.choice import KernelChoice
    from harness.model.variants import Variant
    from harness.scenarios import Scenario

BOOT_SECONDS = 120
WHOLE_BOOT_SECONDS = 600
"""For a guest with a userspace of its own to come up to its first handler, on a busy host."""
CALM_TRIES = 3
CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
EARLY_CLOCK = b"tsc-early"
CLOCK_POLL = 0.1  # seconds
WARM_REQUESTS = 96
"""How many replies show what is usual: the first ones are slow, while QEMU translates."""


@dataclass(frozen=True)
class Images:
    """What a machine boots: a kernel, and the userspace made for it."""

    kernel: KernelImage
    guest: GuestImage


@dataclass(frozen=True)
class Lab:
    """One kernel line's images and machines. Safe to use from several threads.

    `flavours` has the images of each flavour that was asked for; the line's own is "".
    `without` names a defence that all of its kernels go without; `engine` is how they boot;
    `is_foreign` is a kernel of the user's own, of which nobody knows what it lacks.
    """

    line: str
    flavours: Mapping[str, Images]
    accelerator: Accelerator
    kaslr: bool = False
    without: str = ""
    engine: Engine = MICROVM
    is_foreign: bool = False
    corpus: Corpus = SHIPPED

    @classmethod
    def open(
        cls,
        line: str,
        variants: Iterable[str] = tuple(SHIPPED.variants),
        *,
        step: int | None = None,
        progress: Callable[[str], None],
        choice: KernelChoice | None = None,
        engine: Engine = MICROVM,
        corpus: Corpus = SHIPPED,
    ) -> Lab:
        """Find or build what `variants` need, of `line` or of the user's choice.

        A `step` is a part of the line's series, as `kernel_image` has it. Raises UserError if
        something cannot be had.
        """
        engine.check()
        chosen = accelerator()
        flavours = {}
        wanted = [corpus.variants[variant] for variant in variants]
        # The line's own first: the others start from its objects.
        for flavour in sorted({"", *(variant.flavour for variant in wanted)}):
            request = BuildRequest(line, flavour=flavour, step=step, choice=choice)
            kernel = kernel_image(request, progress=progress)
            _check_needs(kernel, (variant for variant in wanted if variant.flavour == flavour))
            flavours[flavour] = Images(kernel, guest_image(kernel, progress=progress))
        engine.make(progress=progress)
        return cls(
            line, flavours, chosen, engine=engine, is_foreign=choice is not None, corpus=corpus
        )

    def images(self, variant: str) -> Images:
        """The images on which `variant` runs."""
        return self.flavours[self.corpus.variants[variant].flavour]

    @property
    def image(self) -> KernelImage:
        """The line's own kernel."""
        return self.flavours[""].kernel

    @property
    def guest(self) -> GuestImage:
        """The userspace for the line's own kernel."""
        return self.flavours[""].guest

    def vmlinux(self, variant: str) -> Path:
        """The vmlinux of a variant's kernel, for a debugger. Raises UserError if there is none."""
        return self.images(variant).kernel.vmlinux

    def spec(
        self, variant: str, *, cpus: int = 1, boot: str = "", interactive: bool = False
    ) -> MachineSpec:
        """The machine on which `variant` runs; other CPUs or parameters make it another one.

        With `interactive` it is for a person at its console, and has no agent.
        """
        images = self.images(variant)
        if self.without:
            boot = f"{boot} umd_without={self.without}".strip()
        own = [self.engine.name] * (self.engine != MICROVM)
        own += [f"{cpus}-cpus"] * (cpus > 1) + re.findall(r"[\w.-]+", boot)
        plain = MachineSpec(
            name="-".join([self.line, variant, *own, *(["kaslr"] if self.kaslr else [])]),
            kernel=images.kernel.bzimage,
            kernel_key=images.kernel.key,
            initramfs=images.guest.initramfs,
            guest_key=images.guest.key,
            cmdline=f"{self.corpus.variants[variant].cmdline} {boot}".strip(),
            cpus=cpus,
            kaslr=self.kaslr,
        )
        return self.engine.spec(plain, images.kernel, images.guest, interactive=interactive)

    def run(self, cell: Cell, *, fresh: bool = False, vmcore: Path | None = None) -> Outcome:
        """Run one cell, from the saved state or, if `fresh`, from a boot of its own.

        Whatever goes wrong with the machine is an `error` with its reason. Where nothing could
        be concluded because the host let the machine stand still, it is run again. What does not
        come out as expected leaves a dump of its machine at `vmcore`.
        """
        dump = Dump(vmcore, self.corpus)
        for _ in range(CALM_TRIES):
            outcome = self._run(cell, fresh=fresh, dump=dump)
            if not outcome.detail.startswith(STOOD_STILL):
                break
        return dump.noted(cell, outcome)

    def _run(self, cell: Cell, *, fresh: bool, dump: Dump) -> Outcome:
        scenario, variant = self.corpus.scenario(cell), self.corpus.variant(cell)
        images = self.images(cell.variant)
        if reason := scenario.lacking_on(variant):
            return _nothing(Verdict.NOT_APPLICABLE, reason, images, "not tried")
        if reason := self.lacking(cell):
            return _nothing(Verdict.NOT_APPLICABLE, reason, images, LACKING)
        trial: Trial | None = None
        start = time.monotonic()
        try:
            with self._machine(
                cell.variant, fresh=fresh, cpus=scenario.cpus, boot=scenario.boot
            ) as machine:
                trial = Trial(scenario, variant, machine, images.kernel, images.guest)
                return dump.after(partial(_timed, trial, start), cell, machine)
        except VmLost as lost:
            return replace(
                _nothing(Verdict.ERROR, str(lost), images, "lost"),
                **(_ended(lost) if trial and trial.begun and scenario.ends_machine else {}),
                seconds=time.monotonic() - start,
                attempt=trial.tried if trial else [],
                # Heard to its end, now that the machine is gone.
                console=trial.machine.console() if trial else "",
            )

    def lacking(self, cell: Cell) -> str:
        """Say what the cell's attack lacks of its kernel or engine; empty if nothing is known."""
        scenario, kernel = self.corpus.scenario(cell), self.images(cell.variant).kernel
        if scenario.freezes and self.engine.reached_by:
            return f"it freezes {self.engine.reached_by} as well, by which the attacker is reached"
        if scenario.on_disk and not self.engine.has_disk:
            return "this guest has no file system on a disk; that of --engine image has"
        lacking = _lacks(scenario, kernel)
        if self.is_foreign and not lacking:
            return _unseen(scenario, self.corpus.variant(cell), kernel)
        return lacking

    @contextmanager
    def machine(
        self,
        variant: str,
        *,
        cpus: int = 1,
        boot: str = "",
        debugger: socket.socket | None = None,
    ) -> Iterator[Machine]:
        """A machine of `variant` from its saved state, running; `debugger` as Machine has it."""
        with self._machine(
            variant, fresh=False, cpus=cpus, boot=boot, debugger=debugger
        ) as machine:
            yield machine

    @contextmanager
    def trip_clock(self, variant: str) -> Iterator[Callable[[int], list[int]]]:
        """Times round trips on a machine of its own (harness/lab/trip_clock.py)."""
        images = self.images(variant)
        with (
            self.machine(variant) as machine,
            trip_clock(machine, images.kernel, images.guest) as clock,
        ):
            yield clock

    @contextmanager
    def _machine(
        self,
        variant: str,
        *,
        fresh: bool,
        cpus: int = 1,
        boot: str = "",
        debugger: socket.socket | None = None,
    ) -> Iterator[Machine]:
        spec = self.spec(variant, cpus=cpus, boot=boot)
        if fresh or not self.engine.saves:
            with self._booted(variant, spec, boot, debugger) as machine:
                yield machine
            return
        state = saved_state(spec, self.accelerator, ready=partial(self.park, variant, boot=boot))
        with Machine.restore(spec, self.accelerator, state, debugger=debugger) as machine:
            yield machine

    @contextmanager
    def _booted(
        self, variant: str, spec: MachineSpec, boot: str, debugger: socket.socket | None
    ) -> Iterator[Machine]:
        """A machine that has just booted; another, if that was one of the `BAD_BOOTS`."""
        with ExitStack() as stack:
            for tries_left in reversed(range(BOOTS)):
                machine = stack.enter_context(
                    Machine.boot(spec, self.accelerator, debugger=debugger)
                )
                try:
                    self._warm(variant, machine, boot)
                except BAD_BOOTS:
                    stack.close()
                    if not tries_left:
                        raise
                else:
                    break
            if not self.engine.saves:
                self._prepare(variant, machine)
            yield machine

    def _warm(self, variant: str, machine: Machine, boot: str) -> None:
        """Wait for a handler that answers.

        A rival's policy has to be in force by then, unless an attack's parameters leave it out.
        """
        witness = Witness(machine, self.images(variant).kernel)
        witness.appear(seconds=BOOT_SECONDS)
        seconds = BOOT_SECONDS if self.engine.saves else WHOLE_BOOT_SECONDS
        first = witness.wait(lambda t: t.count.right > 0, seconds=seconds, what="right reply")
        rival = self.corpus.variants[variant].rival
        if rival and "lsm=" not in boot:
            check_policy(rival, machine, self.images(variant).kernel)
        start = time.monotonic()
        warm = witness.wait(
            lambda t: t.count.right >= WARM_REQUESTS, seconds=BOOT_SECONDS, what="warm handler"
        )
        check_clock(warm.heartbeat - first.heartbeat, seconds=time.monotonic() - start)

    def park(self, variant: str, machine: Machine, *, boot: str = "") -> None:
        """Wait for a handler that answers, and have the witness stop until the state is used."""
        self._warm(variant, machine, boot)
        self._prepare(variant, machine)
        Witness(machine, self.images(variant).kernel).park()

    def _prepare(self, variant: str, machine: Machine) -> None:
        """Wait for the agent and for the clock to settle, and let the engine do its part."""
        with Channel(
            machine.agent_socket(), reply_seconds=BOOT_SECONDS, attempt_seconds=2 * BOOT_SECONDS
        ) as channel:
            attacker = Attacker(channel, self.images(variant).guest)
            _settle(attacker)
            self.engine.prepare(machine, attacker)
            for path, text in self.corpus.variants[variant].writes:
                _write(attacker, path, text, variant)


def _check_needs(kernel: KernelImage, variants: Iterable[Variant]) -> None:
    """Raise UserError for a variant without whose options the kernel is another policy."""
    for variant in variants:
        if missing := unmet(variant.needs, kernel.options):
            raise UserError(
                f"{variant.name}: this kernel has no CONFIG_{missing[0]}",
                hint="bring one that has it: --tree, --patches, --config",
            )


def _write(attacker: Attacker, path: str, text: str, variant: str) -> None:
    """Write what makes a guest the variant. Raises UserError: without it, it is another one."""
    try:
        attacker.write_file(path, text.encode())
    except GuestError as error:
        raise UserError(
            f"{variant}: {path} does not take {text!r}: {error}",
            hint="mend the variant's file, or the kernel's options",
        ) from error


def _timed(trial: Trial, start: float) -> Outcome:
    """Run a trial; its outcome with the seconds since `start`."""
    return replace(trial.run(), seconds=time.monotonic() - start)


def _settle(attacker: Attacker) -> None:
    """Wait until the kernel has its clock for good: its time jumps where it changes to another.

    About a second after it booted it knows how fast the time stamp counter is. Raises VmLost.
    """
    deadline = time.monotonic() + BOOT_SECONDS
    while attacker.read_file(CLOCKSOURCE).strip() == EARLY_CLOCK:
        if time.monotonic() > deadline:
            raise VmLost(f"the guest has no clock but {EARLY_CLOCK.decode()}")
        time.sleep(CLOCK_POLL)


def _lacks(scenario: Scenario, kernel: KernelImage) -> str:
    """Say what of the kernel an attack lacks, options or another version; empty if nothing."""
    if scenario.since and kernel.version < _version(scenario.since):
        return f"it takes Linux {scenario.since} or later"
    if scenario.before and kernel.version >= _version(scenario.before):
        return f"it takes a Linux before {scenario.before}"
    lacking = unmet(scenario.needs, kernel.options)
    return f"this kernel lacks {', '.join(lacking)}" if lacking else ""


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def _unseen(scenario: Scenario, variant: Variant, kernel: KernelImage) -> str:
    """Say which function that proves an attack's arrival a foreign kernel lacks; empty if none.

    The corpus names them rightly, for on a line of ours one that is not there is an `error`. What
    users name in scenarios of theirs is not known to be right anywhere.
    """
    if scenario.origin:
        return ""
    missing = [name for name in watched(scenario, variant) if not has_function(kernel, name)]
    return f"this kernel has no function {' or '.join(missing)}" if missing else ""


def _ended(lost: VmLost) -> dict[str, Any]:
    """Take the end of the whole machine for what its attack set out for, where QEMU tells of it."""
    if not lost.by_guest:
        return {}
    return {
        "verdict": Verdict.DISRUPTED,
        "axes": Axes(availability=True),
        "attempt_end": str(End.COMPLETED.value),
        "carried_out": True,
        "witness": {"machine": str(lost)},
    }


def _nothing(verdict: Verdict, detail: str, images: Images, attempt_end: str) -> Outcome:
    """Return the outcome of a cell that no witness has anything to say about."""
    return Outcome(
        verdict=verdict,
        axes=Axes(),
        detail=detail,
        seconds=0.0,
        image=images.kernel.key,
        attempt_end=attempt_end,
    )
