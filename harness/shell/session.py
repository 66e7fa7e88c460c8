# SPDX-License-Identifier: GPL-2.0-only
"""A root shell at the user's terminal, in a machine of a variant.

The machine is in its saved state, or as a scenario finds it, or as the scenario leaves it. In the
last case the aftermath has not run, because its restarts would remove the attack's traces.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel, SetupFailed
from harness.attacker.agent.terminal import Terminal
from harness.host.errors import UserError, VmLost
from harness.host.suggestion import hint_for
from harness.lab.trial import Trial
from harness.model.cell import Cell
from harness.model.verdict import Verdict
from harness.report.attack_calls import call_lines
from harness.report.text import visible
from harness.shell.copied_files import copy_files
from harness.shell.keyboard import Keyboard
from harness.vm.debugger import debugger
from harness.witness.cell_verdict import draw_verdict
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.lab.lab import Lab
    from harness.lab.plan import CellPlan, MachinePlan
    from harness.model.attempt_end import AttemptEnd
    from harness.model.variants import Variant
    from harness.scenarios.corpus import Corpus
    from harness.scenarios.registry import Scenario
    from harness.vm.debugger import Debugger
    from harness.vm.machine import Machine
    from harness.witness.evidence import Evidence

BEFORE, AFTER = "before", "after"
_POLL_SECONDS = 0.03
_NO_DEADLINE = 1e7  # seconds: the user decides when to leave


@dataclass(frozen=True)
class ShellTarget:
    """The machine that a shell is opened in."""

    lab: Lab
    """The lab that has the machine."""
    variant: str
    """The machine's variant."""
    scenario: Scenario | None = None
    """The scenario whose machine it is; None: the variant's saved state."""
    at: str = BEFORE
    """Whether the shell starts `before` or `after` the scenario's attack."""
    files: tuple[Path, ...] = ()
    """Files of the host that are copied into the guest."""

    @cached_property
    def plan(self) -> CellPlan | None:
        """The scenario's cell, None without a scenario."""
        if self.scenario is None:
            return None
        return self.lab.plan(Cell(self.lab.line, self.variant, self.scenario.name))

    @cached_property
    def machine(self) -> MachinePlan:
        """The machine that the shell is opened in."""
        return self.plan.machine if self.plan else self.lab.machine_plan(self.variant)

    @property
    def subject(self) -> str:
        """The machine's name in messages."""
        what = f"{self.variant} of {self.lab.line}"
        return f"{what}, {self.at} {self.scenario.name}" if self.scenario else what


def check_applicable(scenario: Scenario, variant: Variant) -> None:
    """Raise UserError if the scenario is n/a on the variant, before anything is built."""
    if reason := scenario.lacking_on(variant):
        raise _not_applicable(scenario.name, variant.name, reason)


def run_shell(target: ShellTarget, *, gdb: bool = False, say: Callable[[str], None]) -> int:
    """Run a root shell until it ends; return the exit status. Raises UserError.

    With `gdb` the machine is paused until the user's gdb continues it.
    """
    try:
        with opened(target, gdb=gdb, say=say) as (machine, attacker, handler):
            say(f"The handler is process {handler}.")
            say(f"Root shell on {target.subject}: leave it with `exit`, or with Ctrl-a x.")
            _serve(machine, attacker, target.lab.engine.shell)
    except VmLost as lost:
        say(f"The machine has ended: {visible(str(lost))}.")
    return 0


@contextmanager
def opened(
    target: ShellTarget, *, gdb: bool, say: Callable[[str], None]
) -> Iterator[tuple[Machine, Attacker, int]]:
    """Yield the machine, root in it without a deadline, and the handler's pid.

    Raises VmLost if the guest ends its machine, UserError if the machine is lost otherwise.
    """
    plan = target.plan
    if plan and plan.inapplicable:
        raise _not_applicable(plan.scenario.name, target.variant, plan.inapplicable.reason)
    images = target.machine.images
    vmlinux = images.kernel.vmlinux if gdb else None
    try:
        with ExitStack() as stack:
            stub = stack.enter_context(debugger()) if vmlinux else None
            machine, handler = stack.enter_context(_staged(target, stub, say=say))
            channel = stack.enter_context(
                Channel(
                    machine.agent_socket(),
                    reply_seconds=_NO_DEADLINE,
                    attempt_seconds=_NO_DEADLINE,
                )
            )
            attacker = Attacker(channel, images.guest)
            copy_files(target.files, attacker)
            if stub and vmlinux:
                machine.hand_over()
                say("The machine is paused until gdb continues it. In another terminal:")
                say(f"  {stub.command(vmlinux)}")
            yield machine, attacker, handler
    except VmLost as lost:
        if lost.by_guest:
            raise
        raise UserError(
            f"the machine of {target.subject} is lost: {visible(str(lost))}",
            hint="try again, or boot it with --boot and read its messages",
        ) from lost


def _not_applicable(scenario: str, variant: str, reason: str) -> UserError:
    return UserError(f"{scenario} is n/a on {variant}: {reason}", hint="choose another --variant")


@contextmanager
def _staged(
    target: ShellTarget, stub: Debugger | None, *, say: Callable[[str], None]
) -> Iterator[tuple[Machine, int]]:
    """Yield the target's machine, in the state that the shell starts from, and the handler's pid.

    Raises UserError if the machine did not survive the attack, VmLost if it is lost otherwise.
    """
    lab, plan, wanted = target.lab, target.plan, target.machine
    listener = stub.listener if stub else None
    is_attacking = False
    try:
        with ExitStack() as stack:
            machine = stack.enter_context(lab.machines.running(wanted, debugger=listener))
            witness = Witness(machine, wanted.images.kernel)
            if plan is None:
                witness.first_request()
            else:
                trial = Trial(plan, machine)
                attacker, handler = stack.enter_context(trial.prepared(witness))
                if target.at == AFTER:
                    is_attacking = True
                    evidence, end = trial.attack(attacker, handler, witness)
                    is_attacking = False
                    for line in _account(attacker, evidence, end):
                        say(line)
            yield machine, witness.read().pid
    except VmLost as lost:
        if not is_attacking:
            raise
        raise UserError(
            f"the machine of {target.subject} did not survive: {visible(str(lost))}",
            hint=f"use --at {BEFORE}",
        ) from lost


def _account(attacker: Attacker, evidence: Evidence, end: AttemptEnd) -> Iterator[str]:
    """Yield lines about an attack: its last calls, its end, and the verdict so far."""
    yield from (f"  {line}" for line in call_lines(attacker.attempt.as_json()))
    yield f"The attack: {visible(str(end))}."
    drawn = draw_verdict(evidence, end)
    lost = drawn.axes.verdict
    so_far = "nothing is lost" if lost is Verdict.HELD else f"{lost} ({drawn.detail})"
    yield f"So far, before the aftermath: {visible(so_far)}."


def _serve(machine: Machine, attacker: Attacker, command: tuple[str, ...]) -> None:
    """Connect the user's terminal with a shell in the guest until either ends."""
    try:
        terminal = Terminal(attacker, command, kind=os.environ.get("TERM", "linux"))
    except SetupFailed as error:
        raise UserError(
            f"the guest starts no shell: {visible(str(error))}",
            hint="try --boot, or attach a debugger with --gdb",
        ) from error
    with Keyboard(machine.kill) as keyboard:
        try:
            _relay(terminal, keyboard)
        except VmLost:
            if not keyboard.left:
                raise


def _relay(terminal: Terminal, keyboard: Keyboard) -> None:
    """Pass keys to the guest, and output to the user's terminal, until the shell has ended."""
    typed, size, is_busy = b"", os.terminal_size((0, 0)), False
    while True:
        if (now := shutil.get_terminal_size()) != size:
            size = now
            terminal.resize(*size)
        typed += keyboard.take(0 if is_busy else _POLL_SECONDS)
        if typed:
            typed = typed[terminal.write(typed) :]
        printed = terminal.read()
        if printed is None:
            return
        is_busy = bool(printed)
        sys.stdout.buffer.write(printed)
        sys.stdout.flush()


def chosen_scenario(corpus: Corpus, name: str | None) -> Scenario | None:
    """Return the scenario of this name; without a name the user's own, if there is one.

    Raises UserError if there is no such scenario, or if the user has several and names none.
    """
    own = [one.name for one in corpus.scenarios.values() if one.origin]
    if name is None and len(own) > 1:
        raise UserError(
            "the files of --scenario add several scenarios",
            hint=f"name one with --prepare: {', '.join(own)}",
        )
    wanted = name or next(iter(own), None)
    if wanted is None:
        return None
    if wanted not in corpus.scenarios:
        hint = hint_for(wanted, corpus.scenarios, otherwise="`umd-harness list` names them")
        raise UserError(f"there is no scenario {wanted!r}", hint=hint)
    return corpus.scenarios[wanted]
