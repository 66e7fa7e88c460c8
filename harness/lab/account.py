# SPDX-License-Identifier: GPL-2.0-only
"""The host's account of one attack, and the evidence that it makes of account and tally."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.witness.challenge import challenge
from harness.witness.doors import kernel_calls
from harness.witness.evidence import Evidence, wrongs
from harness.witness.handler_at_rest import PATIENCE, HandlerAtRest
from harness.witness.kernel_at_rest import KernelAtRest

if TYPE_CHECKING:
    from collections.abc import Collection

    from harness.attacker import Attacker
    from harness.kernel.build.images import KernelImage
    from harness.model.variants import Variant
    from harness.vm.machine import Machine
    from harness.witness.handler import Handler
    from harness.witness.reader import Witness
    from harness.witness.tally import Tally


class Account:
    """What the host notes of a machine from outside, from before the attack on.

    The same for a scenario and for a test by hand. All methods raise VmLost if the machine is
    lost.
    """

    def __init__(
        self,
        machine: Machine,
        kernel: KernelImage,
        variant: Variant,
        witness: Witness,
        handler: Handler,
        *,
        inside: bool = False,
        whole_kernel: bool = False,
        passes: Collection[str] = (),
        pauses: bool = False,
        without: Collection[str] = (),
    ) -> None:
        self._variant, self._witness, self._handler = variant, witness, handler
        self._inside, self._whole_kernel, self._pauses = inside, whole_kernel, pauses
        self._tainted = witness.taint()
        self._machine, self._calls, self._passes = machine, kernel_calls(machine), passes
        self._code = witness.code() if whole_kernel else b""
        self._kernel = KernelAtRest(machine, kernel)
        fixed = variant.has_defence("pages") and "pages" not in without
        self._rest = HandlerAtRest(machine, kernel, handler, fixed=fixed)
        witness.observers.append(self._rest.observe)

    def attacked(self, before: Tally, attacker: Attacker) -> Evidence:
        """Return the evidence at the end of the attack, as if the aftermath had taken nothing."""
        attacked = self._witness.read()
        evidence = Evidence(
            before=before,
            attacked=attacked,
            after=attacked,
            taint=0,
            reached=None,
            shown=tuple(attacker.shown),
            gained=tuple(attacker.gained),
            secrets=frozenset(),
            aftermath_ended=True,
            stalled=0.0,
            delay=1.0,
            forced=self._handler.restarts,
            inside=self._inside,
            whole_kernel=self._whole_kernel,
            pauses=self._pauses,
            policed=self._variant.policy is not None,
            witness_changed=False,
            entered={},
            at_rest="",
            unseen="",
            contradictions=(),
            kernel_changed="",
            records=(),
        )
        # There need not be a handler now, after an attack that ended it.
        return replace(self._seen(evidence, patience=6), unseen="")

    def concluded(self, evidence: Evidence, after: Tally, *, ended: bool) -> Evidence:
        """Return the evidence with the tally after the aftermath, and all that the host sees."""
        concluded = replace(evidence, after=after, aftermath_ended=ended)
        return self._seen(concluded, patience=PATIENCE, challenges=ended)

    def _seen(self, evidence: Evidence, *, patience: int, challenges: bool = False) -> Evidence:
        """Return the evidence with all that the host sees now."""
        witness, rest = self._witness, self._rest
        at_rest = unseen = ""
        if not wrongs(evidence):  # what is wrong already needs no closer look
            rest.settle(witness, patience=patience)
            if challenges and not (rest.wrong or rest.unseen):
                at_rest, unseen = challenge(witness, rest)
        evidence = replace(
            evidence,
            taint=witness.taint() & ~self._tainted,
            secrets=frozenset(witness.secrets),
            stalled=witness.heartbeat.stalled,
            delay=witness.heartbeat.delay,
            witness_changed=bool(self._code) and witness.code() != self._code,
            at_rest=rest.wrong or at_rest,
            unseen=rest.unseen or unseen,
            contradictions=(*witness.recollection.contradictions, *rest.contradictions),
            kernel_changed=evidence.kernel_changed or self._kernel.change(),
            records=tuple(witness.recollection.records.values()),
        )
        seen = kernel_calls(self._machine).since(self._calls)
        return replace(
            evidence,
            entered={way: calls for way, calls in seen.items() if way not in self._passes},
        )
