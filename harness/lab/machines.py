# SPDX-License-Identifier: GPL-2.0-only
"""Machines of a kernel line: described, booted or restored, and made ready for a cell."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from errno import ENOENT
from functools import partial
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel, GuestError
from harness.engines import MICROVM
from harness.host.errors import VmLost
from harness.lab.policy import load_policy
from harness.vm.machine import Machine
from harness.vm.spec import MachineSpec
from harness.vm.states import BAD_BOOTS, BOOTS, saved_state
from harness.witness.doors import kernel_code
from harness.witness.enforcing import check_policy
from harness.witness.heartbeat import check_clock
from harness.witness.reader import Witness
from harness.witness.tally import WitnessCommand

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from harness.engines.engine import Engine
    from harness.lab.plan import MachinePlan
    from harness.model.variants import Variant
    from harness.vm.probe import Accelerator

BOOT_SECONDS = 120
WHOLE_BOOT_SECONDS = 600
"""How long a guest with a userspace of its own may take to its first handler, on a busy host."""
CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
EARLY_CLOCK = b"tsc-early"
CLOCK_POLL = 0.1  # seconds
WARM_REQUESTS = 96
"""Replies before latency counts as usual: the first are slow, while QEMU translates."""


@dataclass(frozen=True)
class Machines:
    """Makes the machines of a kernel line. Safe to use from several threads."""

    line: str
    accelerator: Accelerator
    engine: Engine
    kaslr: bool
    without: tuple[str, ...]
    """The defences that the kernels leave out."""

    def spec(self, plan: MachinePlan, *, interactive: bool = False) -> MachineSpec:
        """Describe the machine. With `interactive` it has a console for a person, and no agent."""
        boot = " ".join([plan.boot, *(f"umd_without={name}" for name in self.without)]).strip()
        own = [self.engine.name] * (self.engine != MICROVM)
        own += [f"{plan.cpus}-cpus"] * (plan.cpus > 1) + re.findall(r"[\w.-]+", plan.boot)
        own += ["without", *self.without] if self.without else []
        kernel, guest = plan.images.kernel, plan.images.guest
        plain = MachineSpec(
            name="-".join([self.line, plan.variant.name, *own, *(["kaslr"] if self.kaslr else [])]),
            kernel=kernel.bzimage,
            kernel_key=kernel.key,
            initramfs=guest.initramfs,
            guest_key=guest.key,
            cmdline=f"{plan.variant.cmdline} {boot}".strip(),
            settings=settings_of(plan),
            cpus=plan.cpus,
            counts=plan.counts,
            kaslr=self.kaslr,
            watched=kernel_code(kernel),
        )
        return self.engine.spec(plain, kernel, guest, interactive=interactive)

    @contextmanager
    def running(
        self, plan: MachinePlan, *, fresh: bool = False, debugger: socket.socket | None = None
    ) -> Iterator[Machine]:
        """A running machine with a warm handler, from its saved state or, if `fresh`, just booted.

        `debugger` is that of Machine. Raises VmLost, UserError.
        """
        spec = self.spec(plan)
        if fresh or not self.engine.saves:
            with self._booted(plan, spec, debugger) as machine:
                yield machine
            return
        state = saved_state(
            spec,
            self.accelerator,
            ready=partial(self.park, plan),
            goes_on=partial(self.goes_on, plan),
        )
        with Machine.restore(spec, self.accelerator, state, debugger=debugger) as machine:
            yield machine

    def park(self, plan: MachinePlan, machine: Machine) -> None:
        """Get a booting machine ready to be saved: all is warm, and the witness has stopped."""
        self._await_warm_handler(plan, machine)
        self._make_guest_ready(plan, machine)
        Witness(machine, plan.images.kernel).park()

    def goes_on(self, plan: MachinePlan, machine: Machine) -> None:
        """Wait until the witness of a restored machine asks again. Raises VmLost if it does not.

        A two-CPU machine that a busy host saved has been seen whose witness never did.
        """
        Witness(machine, plan.images.kernel).first_request()

    @contextmanager
    def _booted(
        self, plan: MachinePlan, spec: MachineSpec, debugger: socket.socket | None
    ) -> Iterator[Machine]:
        """A machine that has just booted. After one of the `BAD_BOOTS` another one is booted."""
        with ExitStack() as stack:
            for tries_left in reversed(range(BOOTS)):
                machine = stack.enter_context(
                    Machine.boot(spec, self.accelerator, debugger=debugger)
                )
                try:
                    self._await_warm_handler(plan, machine)
                except BAD_BOOTS:
                    stack.close()
                    if not tries_left:
                        raise
                else:
                    break
            if not self.engine.saves:
                self._make_guest_ready(plan, machine)
            yield machine

    def _await_warm_handler(self, plan: MachinePlan, machine: Machine) -> None:
        """Wait for a handler that has answered often enough.

        A rival's policy has to be in force by then, unless the boot parameters leave it out.
        """
        kernel = plan.images.kernel
        witness = Witness(machine, kernel)
        witness.appear(seconds=BOOT_SECONDS)
        seconds = BOOT_SECONDS if self.engine == MICROVM else WHOLE_BOOT_SECONDS
        first = witness.wait(lambda t: t.count.right > 0, seconds=seconds, what="right reply")
        rival = plan.variant.rival
        if rival and not (rival.by_host or _chooses_lsm(plan.boot)):
            check_policy(rival, machine, kernel)
        start = time.monotonic()
        warm = witness.wait(
            lambda t: t.count.right >= WARM_REQUESTS, seconds=BOOT_SECONDS, what="warm handler"
        )
        if not plan.counts:
            check_clock(warm.heartbeat - first.heartbeat, seconds=time.monotonic() - start)

    def _make_guest_ready(self, plan: MachinePlan, machine: Machine) -> None:
        """Wait for the agent and the final clock, let the engine prepare, write what is to be."""
        with Channel(
            machine.agent_socket(), reply_seconds=BOOT_SECONDS, attempt_seconds=2 * BOOT_SECONDS
        ) as channel:
            attacker = Attacker(channel, plan.images.guest)
            await_final_clock(attacker)
            self.engine.prepare(machine, attacker)
            if plan.variant.rehearsed:
                rehearse(Witness(machine, plan.images.kernel), inside=plan.inside)
            write_settings(attacker, plan.variant, lsm_chosen=_chooses_lsm(plan.boot))
            rival = plan.variant.rival
            if rival and rival.by_host and not _chooses_lsm(plan.boot):
                load_policy(attacker, rival)


def await_final_clock(attacker: Attacker) -> None:
    """Wait until the kernel has left its early clock: the time jumps when the clock changes.

    The kernel knows the frequency of the time stamp counter about a second after its boot.
    Raises VmLost.
    """
    deadline = time.monotonic() + BOOT_SECONDS
    while attacker.read_file(CLOCKSOURCE).strip() == EARLY_CLOCK:
        if time.monotonic() > deadline:
            raise VmLost(f"the guest has no clock but {EARLY_CLOCK.decode()}")
        time.sleep(CLOCK_POLL)


def _chooses_lsm(boot: str) -> bool:
    """Whether boot parameters choose the security modules, and may leave the variant's out."""
    return "lsm=" in boot


def settings_of(plan: MachinePlan) -> str:
    """Return what is set in the plan's guests, in words; empty if nothing is."""
    variant = plan.variant
    settings = variant.rehearsed, variant.writes, plan.has_backdoor
    return repr(settings) if any(settings) else ""


def rehearse(witness: Witness, *, inside: bool) -> None:
    """Have the witness do what it does around an attack, for a policy that learns what it allows.

    If the attack comes from `inside` the handler, the handler that makes it is loaded as well.
    """
    witness.aftermath()
    if inside:
        witness.obey(WitnessCommand.OPEN_BACKDOOR)
        witness.aftermath()


def write_settings(attacker: Attacker, variant: Variant, *, lsm_chosen: bool = False) -> None:
    """Write to the variant's files. Raises VmLost for a file that refuses: not the variant.

    With `lsm_chosen`, the file of a module that was left out may be missing.
    """
    for path, text in variant.writes:
        try:
            attacker.write_file(path, text.encode())
        except GuestError as error:
            if lsm_chosen and error.errno == ENOENT:
                continue
            raise VmLost(f"{variant.name}: {path} does not take {text!r}: {error}") from error
