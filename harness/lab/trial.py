# SPDX-License-Identifier: GPL-2.0-only
"""One attack on a running machine, and the evidence of what came of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.attacker import Attacker, Channel, SetupFailed
from harness.attacker.agent.syscalls import NUMBERS
from harness.host.errors import Silent, UserError, VmLost
from harness.kernel.build.renamed import function_address
from harness.lab.account import Account
from harness.lab.arrival import Arrival, watched
from harness.lab.attempt import attempt
from harness.lab.python_error import described, traceback_of
from harness.model.attempt_end import AttemptEnd, End
from harness.model.cell import Outcome
from harness.model.handlers import BACKDOOR
from harness.witness.cell_verdict import draw_verdict
from harness.witness.handler import Handler
from harness.witness.reader import ANY_CALL, Witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.kernel.build.images import KernelImage
    from harness.lab.plan import CellPlan
    from harness.model.variants import Variant
    from harness.scenarios.registry import Scenario
    from harness.vm.machine import Machine
    from harness.witness.evidence import Evidence
    from harness.witness.tally import Tally

TALLY = "umd_witness_tally"


@dataclass
class Trial:
    """One scenario on one machine."""

    plan: CellPlan
    machine: Machine
    tried: list[dict[str, Any]] = field(default_factory=list)
    """The attacker's account. It is there even if the machine is lost."""
    begun: bool = False
    """Whether the attack has begun."""
    traceback: str = ""
    """The traceback of an error of the attack's own Python code."""
    _account: Account = field(init=False)
    """The host's account, from `prepared` on."""

    @property
    def _scenario(self) -> Scenario:
        return self.plan.scenario

    @property
    def _variant(self) -> Variant:
        return self.plan.variant

    @property
    def _kernel(self) -> KernelImage:
        return self.plan.images.kernel

    def run(self) -> Outcome:
        """Attack, and draw the verdict. Raises VmLost if the machine is gone."""
        witness = Witness(self.machine, self._kernel)
        with self.prepared(witness) as (attacker, handler):
            evidence, end = self.attack(attacker, handler, witness)
            after, ended = aftermath(witness)
        evidence = self._account.concluded(evidence, after, ended=ended)
        return replace(self._outcome(evidence, end), tries=attacker.tries)

    @contextmanager
    def prepared(self, witness: Witness) -> Iterator[tuple[Attacker, Handler]]:
        """Yield the attacker and the handler once the scenario's `prepare` has run.

        The witness sends requests by then. Raises VmLost if the machine does not get there.
        """
        anywhere = self._scenario.target != "handler"
        handler = Handler(self._variant, self.machine, self._kernel, witness, anywhere=anywhere)
        if self.plan.machine.has_backdoor:
            handler.program = BACKDOOR
        self._account = Account(
            self.machine,
            self._kernel,
            self._variant,
            witness,
            handler,
            inside=self._scenario.inside,
            whole_kernel=self._scenario.whole_kernel,
            passes=self._scenario.passes,
            pauses=self._scenario.excuses_late_replies,
            without=self.plan.without,
        )
        witness.first_request()
        seconds = self._scenario.seconds
        with Channel(self.machine.agent_socket(), attempt_seconds=seconds) as channel:
            attacker = Attacker(channel, self.plan.images.guest)
            self._prepare(attacker, handler)
            yield attacker, handler

    def attack(
        self, attacker: Attacker, handler: Handler, witness: Witness
    ) -> tuple[Evidence, AttemptEnd]:
        """Make the attack. Return the evidence at its end, and how it ended by its own account.

        Only after the aftermath can the evidence show that nothing was lost. Raises VmLost.
        """
        before = self._watch(witness)
        end = self._attack(attacker, handler)
        evidence = self._account.attacked(before, attacker)
        arrival = Arrival(self._scenario, self._variant, before, evidence.attacked)
        return replace(evidence, reached=arrival.reached(end.end)), end

    def _prepare(self, attacker: Attacker, handler: Handler) -> None:
        """Run the scenario's `prepare`. Raises VmLost if that fails: nothing was tried."""
        if self._scenario.prepare is None:
            return
        try:
            with attacker.setup():
                self._scenario.prepare(attacker, handler)
        except SetupFailed as error:
            raise VmLost(str(error)) from error
        except (VmLost, UserError):
            raise
        except Exception as error:
            self._failed(error)
            what = described(error, self._scenario.attack)
            raise VmLost(f"set-up failed: {what}") from error

    def _failed(self, error: Exception) -> None:
        self.traceback = traceback_of(error)

    def _watch(self, witness: Witness) -> Tally:
        """Have the witness count the calls that prove this attack's arrival; return its tally.

        Raises VmLost for a function that the kernel lacks: only this cell is lost by that.
        """
        names = watched(self._scenario, self._variant)
        if not names:
            return witness.read()
        tally = self._kernel.symbol(TALLY)
        functions = [self._function(name) - tally for name in names]
        call = NUMBERS.get(self._scenario.call or "", ANY_CALL)
        before = witness.watch(functions, call=call)
        for name, seen in zip(names, before.named, strict=False):
            if not seen.function:
                raise VmLost(f"the function {name} cannot be watched in this kernel")
        return before

    def _function(self, name: str) -> int:
        try:
            return function_address(self._kernel, name)
        except UserError as error:
            raise VmLost(f"the function {name} is not in this kernel") from error

    def _attack(self, attacker: Attacker, handler: Handler) -> AttemptEnd:
        """Run the attack. Return how it ended, by its own account."""
        self.begun = True
        try:
            policy = self._variant
            return attempt(
                self._scenario,
                attacker,
                handler,
                spared=policy.protects,
                locked=policy.locked,
                policed=policy.policy,
                failed=self._failed,
            )
        finally:
            self.tried += attacker.attempt.as_json()

    def _hooks(self, evidence: Evidence) -> dict[str, bool]:
        """The hooks that saw the handler during the attack, by order, and whether each can refuse.

        During an attack on the handler's start, the process is not yet known as the handler. The
        hook that proves such an attack's arrival counts whatever its object was.
        """
        were = {hook.function: hook.on_handler for hook in evidence.before.hooks}
        tally = self._kernel.symbol(TALLY)
        seen = {
            self._kernel.symbol_at(tally + hook.function): hook.can_refuse
            for hook in evidence.attacked.hooks
            if hook.on_handler > were.get(hook.function, 0)
        }
        arrival = self._scenario.reach or ""
        is_hook = arrival.startswith("security_")
        if self._scenario.target == "start" and evidence.reached and is_hook:
            seen[arrival] = True
        return seen

    def _outcome(self, evidence: Evidence, end: AttemptEnd) -> Outcome:
        drawn = draw_verdict(evidence, end)
        hooks = self._hooks(evidence)
        return Outcome(
            verdict=drawn.verdict,
            axes=drawn.axes,
            detail=drawn.detail,
            seconds=0.0,
            image=self._kernel.key,
            attempt_end=end,
            carried_out=end.end is End.COMPLETED,
            wrongs=tuple(sorted(drawn.wrongs)),
            retry=drawn.retry,
            gained=evidence.gained,
            hooks=tuple(hooks),
            refusable=tuple(name for name, can_refuse in hooks.items() if can_refuse),
            witness={
                "before": evidence.before.as_json(),
                "attacked": evidence.attacked.as_json(),
                "after": evidence.after.as_json(),
                "reached": evidence.reached,
                "taint": evidence.taint,
                "entered": evidence.entered,
                "stalled_seconds": round(evidence.stalled, 3),
                "delay": round(evidence.delay, 3),
            },
            attempt=self.tried,
            console=self.machine.console(),
            traceback=self.traceback,
        )


def aftermath(witness: Witness) -> tuple[Tally, bool]:
    """Run the aftermath. Return the tally after it, and whether it ended.

    If the heartbeat goes on although the aftermath does not end, the handler was disrupted. If the
    heartbeat stops, there is no evidence at all (rule 2): raises Silent.
    """
    try:
        return witness.aftermath(), True
    except Silent as silent:
        if not silent.alive:
            raise
        return witness.read(), False
