# SPDX-License-Identifier: GPL-2.0-only
"""Draws the verdict on a cell from the evidence. The attacker's account never decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.model.attempt_end import AttemptEnd, End
from harness.model.verdict import Axes, Verdict
from harness.witness.doors import REFUSING
from harness.witness.evidence import (
    CALL_RETURNED,
    LOCKDEP_OFF,
    Evidence,
    death,
    forced_starts,
    is_unknown_call,
    leaked,
    missing,
    refused_call,
    wrongs,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.witness.tally import Tally

STALL_SECONDS = 0.5
"""If the machine stood still for longer, that may be why replies are late or missing."""

NO_COMPLAINT = 1 << 13 | 1 << 15 | 1 << 16
"""TAINT_UNSIGNED_MODULE, TAINT_LIVEPATCH and TAINT_AUX (include/linux/panic.h). They note an
unsigned module, a live patch and, on Debian's kernel, fanotify permission events. None of them
tells of a defect of the kernel."""


_REFUSALS = (End.LOCKED_DOWN, End.DENIED)

TAKEN_OVER = "the guest's kernel may have been under the attacker's control"


NO_HARM = "the handler came to no harm by what it was asked to try"
"""Why there is no proof that a handler which misbehaved was stopped."""


@dataclass(frozen=True)
class CellVerdict:
    """A verdict with its axes and particulars."""

    verdict: Verdict
    """The verdict."""
    axes: Axes
    """What was lost, axis by axis, even where the verdict is an `error`."""
    detail: str
    """The particulars of the verdict, or the reason for an `error`."""
    wrongs: frozenset[str] = frozenset()
    """All that was wrong with the handler."""
    retry: bool = False
    """There is no conclusion because the host was busy. Another run may give one."""


def draw_verdict(evidence: Evidence, end: AttemptEnd) -> CellVerdict:
    """The worst that the witness saw; `held` only where the proof is complete."""
    wrong, lost, leak = wrongs(evidence), missing(evidence), leaked(evidence)
    axes = Axes(integrity=bool(wrong), availability=bool(lost), confidentiality=leak)
    if worthless := _worthless(evidence, wrong):
        return CellVerdict(Verdict.ERROR, axes, worthless)
    if evidence.entered and not evidence.whole_kernel and not wrong:
        ways = ", ".join(evidence.entered)
        return CellVerdict(Verdict.ERROR, axes, f"{TAKEN_OVER}: {ways}")
    if axes.verdict is not Verdict.TAMPERED and (doubtful := _doubtful(evidence)):
        return CellVerdict(Verdict.ERROR, axes, doubtful)
    if axes.verdict is Verdict.DISRUPTED and (by_host := _by_host(evidence)):
        return CellVerdict(Verdict.ERROR, axes, f"{by_host}: {lost}", retry=True)
    if axes.verdict is not Verdict.HELD:
        escaped = "escaped" if wrong and evidence.inside else ""
        shown = "the secret was shown" if leak else ""
        parts = (escaped, *wrong.values(), lost, shown, _gained(evidence))
        return CellVerdict(axes.verdict, axes, ", ".join(filter(None, parts)), frozenset(wrong))
    if unproven := _unproven(evidence, end):
        stood_still = evidence.stalled > STALL_SECONDS
        return CellVerdict(Verdict.ERROR, axes, unproven, retry=stood_still)
    return CellVerdict(Verdict.HELD, axes, _held_detail(evidence, end))


def complaint(evidence: Evidence) -> str:
    """Return what the kernel has reported of itself, such as a warning; empty for nothing."""
    bits = evidence.taint & ~NO_COMPLAINT
    also = ", lockdep is off" if bits & LOCKDEP_OFF else ""
    return f"the kernel complained of itself: taint {bits & ~LOCKDEP_OFF:#x}{also}" if bits else ""


def no_phase(number: int) -> str:
    """Return the reason for an `error` where a phase of the aftermath is missing."""
    return f"phase {number} of the aftermath did not take place"


def _worthless(evidence: Evidence, wrong: Mapping[str, str]) -> str:
    """Why the evidence allows no conclusion, empty if it allows one."""
    if complained := complaint(evidence):
        return complained
    if evidence.witness_changed or not _adds_up(evidence.after):
        return "the witness itself was tampered with"
    if evidence.after.demoted > evidence.before.demoted:
        return "the witness's own priority was taken away"
    if evidence.before.violations:
        return "the handler was not as the kernel set it up, before any attack"
    if evidence.inside and not evidence.attacked.escape.asked:
        return "the handler was never asked to try"
    if not _is_of_one_kind(evidence):
        return "the witness was made to watch another kind of handler"
    if wrong.keys() <= {CALL_RETURNED} and is_unknown_call(evidence):
        return "the kernel has no such system call (ENOSYS)"
    return ""


def _doubtful(evidence: Evidence) -> str:
    """Why the tally may have been rewritten, empty if nothing says so."""
    if evidence.contradictions:
        differ = ", ".join(evidence.contradictions)
        return f"the witness and the host's own account differ: {differ}"
    if evidence.kernel_changed and not evidence.whole_kernel:
        return f"the guest's kernel was changed: {evidence.kernel_changed}"
    return ""


def _by_host(evidence: Evidence) -> str:
    """Why the host alone may be to blame for what is missing, empty if nothing says so."""
    if evidence.stalled > STALL_SECONDS:
        return f"the machine stood still for {evidence.stalled:.1f} s"
    if not missing(evidence, delay=evidence.delay):
        return f"the busy host made the machine's work take {evidence.delay:.1f} times as long"
    return ""


def _adds_up(after: Tally) -> bool:
    """Whether the tally agrees with itself. The request of a start counts only if it went wrong."""
    count = after.count
    known = count.right + count.wrong + count.failed
    return count.sent <= known <= count.sent + count.starts


def _is_of_one_kind(evidence: Evidence) -> bool:
    """Whether the witness watched processes all the time, or kernel threads all the time.

    The modules of both are in the guest, and signed. Root may load the other's.
    """
    tallies = evidence.before, evidence.attacked, evidence.after
    return len({bool(tally.chain) for tally in tallies}) == 1


def _unproven(evidence: Evidence, end: AttemptEnd) -> str:
    """Why `held` may not be believed, empty if it may."""
    if end.end is End.BROKEN:
        return f"the attack was not carried through: {end.detail}"
    if evidence.reached == 0 and not evidence.gained:
        return "the attack never reached the handler in the kernel"
    if evidence.inside and not (_was_stopped(evidence) or refused_call(evidence)):
        return NO_HARM
    if evidence.whole_kernel and not (end.end in _REFUSALS and _may_be_refused(evidence.entered)):
        return "an attack on the whole kernel could have changed the witness as well"
    begun = (True, *forced_starts(evidence.after))
    for number, (phase, started) in enumerate(
        zip(evidence.after.phases, begun, strict=True), start=1
    ):
        if not (started and phase.right):
            return no_phase(number)
    if evidence.unseen:
        return f"the host did not see the handler at rest: {evidence.unseen}"
    return ""


def _may_be_refused(entered: Mapping[str, int]) -> bool:
    """Whether the refused call may be the only call of the doors that were called."""
    return REFUSING.issuperset(entered) and sum(entered.values()) <= 1


def _was_stopped(evidence: Evidence) -> bool:
    """Whether a handler that misbehaved ended without a reply."""
    return evidence.attacked.escape.failed > 0 and death(evidence) is not None


def _held_detail(evidence: Evidence, end: AttemptEnd) -> str:
    if evidence.gained:
        return _gained(evidence)
    if end.end is End.REFUSED:
        return end.detail
    if end.end in (End.NO_TARGET, End.LOCKED_DOWN, End.DENIED):
        return str(end)
    if evidence.inside:
        died = death(evidence)
        return refused_call(evidence) or (f"stopped, {died}" if died else "stopped")
    found = f"no effect, reached {evidence.reached} x" if evidence.reached else ""
    return ", ".join(filter(None, (found, end.detail)))


def _gained(evidence: Evidence) -> str:
    return f"gained {', '.join(evidence.gained)}" if evidence.gained else ""
