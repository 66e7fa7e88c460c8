# SPDX-License-Identifier: GPL-2.0-only
"""Draws the verdict on a cell from what the witness saw. The attacker's account never decides."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from harness.attacker.errors import errno_name
from harness.attempt_end import AttemptEnd, End
from harness.witness.tally import Tally, Violation
from harness.witness.verdict import Axes, Verdict

SLOW_NS = 1_000_000_000
"""A reply later than this is a disruption: half the test configuration's deadline, and over a
hundred times what a reply takes without KVM."""

STALL_SECONDS = 0.5
"""A machine that stood still for longer may owe its late or missing replies to that."""


@dataclass(frozen=True)
class Evidence:
    """All that a verdict may rest on.

    `reached` counts calls of the function that proves the attack's arrival, None if none can;
    `shown` is what the attacker says the secret is, `secrets` the hashes the witness kept;
    `stalled` is the longest that the whole machine stood still by itself, in seconds.
    """

    before: Tally
    after: Tally
    taint: int
    reached: int | None
    shown: tuple[bytes, ...]
    secrets: frozenset[bytes]
    aftermath_ended: bool
    stalled: float


@dataclass(frozen=True)
class Conclusion:
    """A verdict with its axes and particulars."""

    verdict: Verdict
    axes: Axes
    detail: str


def _forced(after: Tally) -> tuple[bool, bool]:
    """Whether the aftermath's own restart and its own reload took place: one start each."""
    _, restart, reload = after.phases
    return restart.starts > 0, reload.loads > 0


def _wrong(evidence: Evidence) -> str:
    """What was wrong with the handler's answers or state; empty if nothing was."""
    wrong = evidence.after.count.wrong - evidence.before.count.wrong
    found = [f"{wrong} wrong replies" if wrong > 1 else "1 wrong reply"] if wrong else []
    violations = evidence.after.violations & ~evidence.before.violations
    found += [str(flag.name).lower().replace("_", " ") for flag in Violation if flag in violations]
    return ", ".join(found)


def _missing(evidence: Evidence) -> str:
    """What was missing of the handler's service; empty if nothing was."""
    before, after = evidence.before.count, evidence.after.count
    found = []
    if failed := after.failed - before.failed:
        found.append(f"{failed} failed ({errno_name(-after.error)})")
    if restarts := after.starts - before.starts - sum(_forced(evidence.after)):
        found.append(f"restarted {restarts} x")
    if evidence.after.slowest > max(SLOW_NS, evidence.before.slowest):
        found.append(f"slowed to {evidence.after.slowest / 1e9:.1f} s")
    if not evidence.aftermath_ended:
        found.append("the aftermath did not end")
    return ", ".join(found)


def _unproven(evidence: Evidence, end: AttemptEnd) -> str:
    """Why `held` may not be believed; empty if it may."""
    if end.end is End.BROKEN:
        return f"the attack was not carried through: {end.detail}"
    if evidence.reached == 0:
        return "the attack never reached the handler in the kernel"
    begun = (True, *_forced(evidence.after))
    for number, (phase, started) in enumerate(
        zip(evidence.after.phases, begun, strict=True), start=1
    ):
        if not (started and phase.right):
            return f"phase {number} of the aftermath did not take place"
    return ""


def conclude(evidence: Evidence, end: AttemptEnd) -> Conclusion:
    """The verdict: the worst that the witness saw, and `held` only where all proof is there."""
    wrong, missing = _wrong(evidence), _missing(evidence)
    leaked = any(sha256(data).digest() in evidence.secrets for data in evidence.shown)
    axes = Axes(integrity=bool(wrong), availability=bool(missing), confidentiality=leaked)
    if evidence.taint:
        return Conclusion(
            Verdict.ERROR, axes, f"the kernel complained of itself: taint {evidence.taint:#x}"
        )
    if axes.verdict is Verdict.DISRUPTED and evidence.stalled > STALL_SECONDS:
        return Conclusion(
            Verdict.ERROR, axes, f"the machine stood still for {evidence.stalled:.1f} s: {missing}"
        )
    if axes.verdict is not Verdict.HELD:
        shown = "the secret was shown" if leaked else ""
        return Conclusion(axes.verdict, axes, ", ".join(filter(None, (wrong, missing, shown))))
    if unproven := _unproven(evidence, end):
        return Conclusion(Verdict.ERROR, axes, unproven)
    return Conclusion(Verdict.HELD, axes, _held_detail(evidence, end))


def _held_detail(evidence: Evidence, end: AttemptEnd) -> str:
    if end.end is End.REFUSED:
        return end.detail
    if end.end is End.NO_TARGET:
        return f"no target: {end.detail}"
    return f"no effect, reached {evidence.reached} x" if evidence.reached else ""
