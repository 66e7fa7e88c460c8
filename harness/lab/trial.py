# SPDX-License-Identifier: GPL-2.0-only
"""One attack on a running machine, and the evidence of what came of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.attacker import Attacker, Channel, SetupFailed
from harness.host.errors import Silent, UserError, VmLost
from harness.kernel.build.renamed import function_address
from harness.lab.attempt import attempt
from harness.model.attempt_end import AttemptEnd, End
from harness.model.cell import Outcome
from harness.witness.conclude import Evidence, conclude
from harness.witness.handler import Handler
from harness.witness.reader import Witness
from harness.witness.tally import Command, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.guests.initramfs import GuestImage
    from harness.kernel.build.images import KernelImage
    from harness.model.variants import Variant
    from harness.scenarios.registry import Scenario
    from harness.vm.machine import Machine

TALLY = "umd_witness_tally"
LOCKED_DOWN = "security_locked_down"
"""What the kernel asks before it lets root do to it what lockdown may forbid."""


@dataclass
class Trial:
    """One scenario on one machine. `tried` is the attacker's account, whatever becomes of it;
    `begun` tells whether the attack has begun."""

    scenario: Scenario
    variant: Variant
    machine: Machine
    kernel: KernelImage
    guest: GuestImage
    tried: list[dict[str, Any]] = field(default_factory=list)
    begun: bool = False
    _tainted: int = 0
    _code: bytes = b""

    def run(self) -> Outcome:
        """Attack, and conclude. Raises VmLost if the machine is gone."""
        witness = Witness(self.machine, self.kernel)
        with self.prepared(witness) as (attacker, handler):
            evidence, end = self.attack(attacker, handler, witness)
            after, ended = aftermath(witness)
        evidence = replace(
            evidence,
            after=after,
            aftermath_ended=ended,
            taint=self._taint(witness),
            secrets=frozenset(witness.secrets),
            stalled=witness.heartbeat.stalled,
            witness_changed=self._is_changed(witness),
        )
        return replace(self._outcome(evidence, end), tries=attacker.tries)

    @contextmanager
    def prepared(self, witness: Witness) -> Iterator[tuple[Attacker, Handler]]:
        """The attacker and the handler once the witness asks and all that comes first is done.

        Raises VmLost if that fails: nothing was tried.
        """
        self._tainted = witness.taint()
        first_request(witness)
        anywhere = self.scenario.target != "handler"
        handler = Handler(self.variant, self.machine, self.kernel, witness, anywhere=anywhere)
        seconds = self.scenario.seconds
        with Channel(self.machine.agent_socket(), attempt_seconds=seconds) as channel:
            attacker = Attacker(channel, self.guest)
            self._prepare(attacker, handler)
            yield attacker, handler

    def attack(
        self, attacker: Attacker, handler: Handler, witness: Witness
    ) -> tuple[Evidence, AttemptEnd]:
        """Make the attack; what there is to see when it has ended, and how it did by its account.

        It is no evidence yet that nothing is lost: that takes the aftermath. Raises VmLost.
        """
        before = self._watch(witness)
        self._code = witness.code() if self.scenario.whole_kernel else b""
        end = self._attack(attacker, handler)
        attacked = witness.read()
        evidence = Evidence(
            before=before,
            attacked=attacked,
            after=attacked,
            taint=self._taint(witness),
            reached=self._reached(end, before, attacked),
            shown=tuple(attacker.shown),
            gained=tuple(attacker.gained),
            secrets=frozenset(witness.secrets),
            aftermath_ended=True,
            stalled=witness.heartbeat.stalled,
            forced=handler.restarts,
            inside=self.scenario.inside,
            whole_kernel=self.scenario.whole_kernel,
            policed=self.variant.rival is not None,
            witness_changed=self._is_changed(witness),
        )
        return evidence, end

    def _taint(self, witness: Witness) -> int:
        """What the kernel has complained of since the trial began."""
        return witness.taint() & ~self._tainted

    def _is_changed(self, witness: Witness) -> bool:
        return bool(self._code) and witness.code() != self._code

    def _prepare(self, attacker: Attacker, handler: Handler) -> None:
        """Do what comes before the attack. Raises VmLost if that fails: nothing was tried."""
        if self.scenario.prepare is None:
            return
        try:
            with attacker.setup():
                self.scenario.prepare(attacker, handler)
        except SetupFailed as error:
            raise VmLost(str(error)) from error

    def _watch(self, witness: Witness) -> Tally:
        """Have the witness count what proves this attack's arrival; the tally before it.

        Raises VmLost for a function that is not there: another cell's may well be.
        """
        names = watched(self.scenario, self.variant)
        if not names:
            return witness.read()
        tally = self.kernel.symbol(TALLY)
        functions = [self._function(name) - tally for name in names]
        before = witness.obey(Command.WATCH, functions=functions)
        for name, seen in zip(names, before.named, strict=False):
            if not seen.function:
                raise VmLost(f"the function {name} cannot be watched in this kernel")
        return before

    def _function(self, name: str) -> int:
        try:
            return function_address(self.kernel, name)
        except UserError as error:
            raise VmLost(f"the function {name} is not in this kernel") from error

    def _attack(self, attacker: Attacker, handler: Handler) -> AttemptEnd:
        """How the attack ended, by its own account."""
        self.begun = True
        try:
            policy = self.variant
            return attempt(
                self.scenario,
                attacker,
                handler,
                spared=policy.protects,
                locked=policy.locked,
                policed=policy.rival is not None,
            )
        finally:
            self.tried += attacker.attempt.as_json()

    def _reached(self, end: AttemptEnd, before: Tally, now: Tally) -> int | None:
        """How often the function that proves the attack's arrival was called; None if none can.

        What spares a process has seen it: only a thread may be no target where nothing is watched.
        """
        scenario, is_thread, rival = self.scenario, not self.variant.handler, self.variant.rival
        function = scenario.reach
        if end.end is End.LOCKED_DOWN:
            function = LOCKED_DOWN
        elif rival and end.end in (End.DENIED, End.REFUSED):
            # A policy may refuse before the attack comes to where the kernel sees it elsewhere.
            at_reach = function and end.end is End.REFUSED and self._calls(function, before, now)
            return at_reach or sum(self._calls(name, before, now) for name in rival.denials)
        elif end.end is End.NO_TARGET:
            function = scenario.no_target_at or (None if is_thread else function)
        if function is None:
            # Who attacks from inside the guest and names no function cannot show that it arrived
            # (rule 3), unless the host or the witness delivers the attack, or there is none.
            excused = scenario.is_reference or scenario.from_host or scenario.inside
            untouched = end.end is End.NO_TARGET and is_thread
            return None if excused or untouched else 0
        return self._calls(function, before, now)

    def _calls(self, function: str, before: Tally, now: Tally) -> int:
        """How often a watched function was called: at all, or with the handler as its object."""
        place = watched(self.scenario, self.variant).index(function)
        was, seen = before.named[place], now.named[place]
        calls = seen.on_handler - was.on_handler
        if self.scenario.target != "handler" or function in (LOCKED_DOWN, *_denials(self.variant)):
            calls += seen.elsewhere - was.elsewhere
        return calls

    def _hooks(self, evidence: Evidence) -> dict[str, bool]:
        """The hooks that saw the handler during the attack, in the order they first did.

        And whether each can refuse. What becomes the handler is not yet known to be it, so of an
        attack on its start the hook counts by which that arrived, whoever it was asked about.
        """
        were = {hook.function: hook.on_handler for hook in evidence.before.hooks}
        tally = self.kernel.symbol(TALLY)
        seen = {
            self.kernel.symbol_at(tally + hook.function): hook.can_refuse
            for hook in evidence.attacked.hooks
            if hook.on_handler > were.get(hook.function, 0)
        }
        arrival = self.scenario.reach or ""
        if self.scenario.target == "start" and evidence.reached and arrival.startswith("security_"):
            seen[arrival] = True
        return seen

    def _outcome(self, evidence: Evidence, end: AttemptEnd) -> Outcome:
        conclusion = conclude(evidence, end)
        hooks = self._hooks(evidence)
        return Outcome(
            verdict=conclusion.verdict,
            axes=conclusion.axes,
            detail=conclusion.detail,
            seconds=0.0,
            image=self.kernel.key,
            attempt_end=str(end),
            carried_out=end.end is End.COMPLETED,
            wrongs=tuple(sorted(conclusion.wrongs)),
            gained=evidence.gained,
            hooks=tuple(hooks),
            refusable=tuple(name for name, can_refuse in hooks.items() if can_refuse),
            witness={
                "before": evidence.before.as_json(),
                "attacked": evidence.attacked.as_json(),
                "after": evidence.after.as_json(),
                "reached": evidence.reached,
                "taint": evidence.taint,
                "stalled_seconds": round(evidence.stalled, 3),
            },
            attempt=self.tried,
            console=self.machine.console(),
        )


def watched(scenario: Scenario, variant: Variant) -> list[str]:
    """The functions that prove an attack's arrival, in the order of the witness's counters."""
    is_locked = variant.locked and scenario.lockdown
    names = (
        scenario.reach,
        scenario.no_target_at,
        LOCKED_DOWN if is_locked else None,
        *_denials(variant),
    )
    return list(dict.fromkeys(name for name in names if name))


def _denials(variant: Variant) -> tuple[str, ...]:
    return variant.rival.denials if variant.rival else ()


def first_request(witness: Witness) -> Tally:
    """The tally once the restored witness has asked with random numbers of its own (rule 4)."""
    right = witness.read().count.right
    return witness.wait(lambda t: t.count.right > right, seconds=15, what="first right reply")


def aftermath(witness: Witness) -> tuple[Tally, bool]:
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
