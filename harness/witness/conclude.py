# SPDX-License-Identifier: GPL-2.0-only
"""Draws the verdict on a cell from what the witness saw. The attacker's account never decides."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from hashlib import sha256

from harness.attacker.agent.errors import errno_name
from harness.attacker.agent.syscalls import NAMES
from harness.model.attempt_end import AttemptEnd, End
from harness.model.verdict import Axes, Verdict
from harness.vm.process import signal_name
from harness.witness.latency import slowed
from harness.witness.tally import Escape, Tally, Violation

X32_BIT = 0x40000000
"""__X32_SYSCALL_BIT of arch/x86/include/uapi/asm/unistd.h."""

STALL_SECONDS = 0.5
"""A machine that stood still for longer may owe its late or missing replies to that."""
STOOD_STILL = "the machine stood still"

NO_COMPLAINT = 1 << 13 | 1 << 15 | 1 << 16
"""TAINT_UNSIGNED_MODULE, TAINT_LIVEPATCH and TAINT_AUX (include/linux/panic.h) note what was done
to a kernel, not what it suffers of: a module that nobody signed, a live patch and, in Debian's,
that fanotify may be asked for permission."""


@dataclass(frozen=True)
class Evidence:
    """All that a verdict may rest on.

    `attacked` is the tally when the attack had ended, before the aftermath; `reached` counts
    calls of the function that proves the attack's arrival, None if none can; `shown` is what the
    attacker says the secret is, `secrets` the hashes the witness kept; `gained` is what the attack
    got hold of and the host found to be so; `forced` counts the
    restarts that the scenario asked of the witness; `inside` tells of an attack that starts in
    the handler, `whole_kernel` of one that may write kernel memory, `policed` of a rival's policy,
    by which the kernel may refuse a call of the handler's; `witness_changed` says that the
    witness's code is no longer what it was; `stalled` is the longest that the whole machine stood
    still by itself, in seconds.
    """

    before: Tally
    attacked: Tally
    after: Tally
    taint: int
    reached: int | None
    shown: tuple[bytes, ...]
    secrets: frozenset[bytes]
    gained: tuple[str, ...]
    aftermath_ended: bool
    stalled: float
    forced: int
    inside: bool
    whole_kernel: bool
    policed: bool
    witness_changed: bool


@dataclass(frozen=True)
class Conclusion:
    """A verdict with its axes and particulars; `wrongs` names all that was wrong."""

    verdict: Verdict
    axes: Axes
    detail: str
    wrongs: frozenset[str] = frozenset()


def _adds_up(after: Tally) -> bool:
    """Whether the tally agrees with itself: the request of a start counts only if it went wrong."""
    count = after.count
    known = count.right + count.wrong + count.failed
    return count.sent <= known <= count.sent + count.starts


def _forced(after: Tally) -> tuple[bool, bool]:
    """Whether the aftermath's own restart and its own reload took place: one start each."""
    _, restart, reload = after.phases
    return restart.starts > 0, reload.loads > 0


WRONG_REPLY = "wrong reply"
CALL_RETURNED = "call returned"


def _wrongs(evidence: Evidence) -> dict[str, str]:
    """What was wrong with the handler's answers or state, and how to say it."""
    before, after = evidence.before, evidence.after
    found = {}
    if wrong := after.count.wrong - before.count.wrong:
        found[WRONG_REPLY] = f"{wrong} wrong replies" if wrong > 1 else "1 wrong reply"
    for flag in Violation:
        if flag in after.violations:
            found[flag.word] = flag.word
    if after.escape.returned > before.escape.returned and not _refused_call(evidence):
        found[CALL_RETURNED] = f"{_call_name(after.escape)} returned"
    return found


def _refused_call(evidence: Evidence) -> str:
    """Which call out of the handler a policy refused, though it was made; empty if none did.

    Where nothing polices calls that were made, one that returned got past what stops them.
    """
    escape = evidence.after.escape
    is_one = escape.returned == evidence.before.escape.returned + 1
    if evidence.policed and is_one and -escape.result in (errno.EACCES, errno.EPERM):
        return f"{errno_name(-escape.result)} at {_call_name(escape)}"
    return ""


def _is_unknown_call(evidence: Evidence) -> bool:
    """Whether the call that got out of the handler is none in this kernel: nothing was tried."""
    escape = evidence.after.escape
    return escape.returned > evidence.before.escape.returned and escape.result == -errno.ENOSYS


def _call_name(escape: Escape) -> str:
    """The call that was made: x32 calls have a bit of their own, 32-bit ones another table."""
    if escape.compat:
        return f"32-bit call {escape.call}"
    name = NAMES.get(escape.call & ~X32_BIT, f"call {escape.call}")
    return f"x32 {name}" if escape.call & X32_BIT else name


def _missing(evidence: Evidence) -> str:
    """What was missing of the handler's service; empty if nothing was."""
    before, after = evidence.before.count, evidence.after.count
    found = []
    if evidence.inside:
        # That a handler which misbehaves is ended is no loss; its successor has to serve.
        _, restart, reload = evidence.after.phases
        failed, restarts = restart.failed + reload.failed, 0
    else:
        failed = after.failed - before.failed
        forced = evidence.forced + sum(_forced(evidence.after))
        restarts = after.starts - before.starts - forced
    if failed:
        found.append(f"{failed} failed ({errno_name(-after.error)})")
    if restarts > 0:
        found.append(f"restarted {restarts} x{_died(evidence)}")
    if not evidence.inside and (slow := slowed(evidence.before, evidence.after)):
        found.append(slow)
    if not evidence.aftermath_ended:
        found.append("the aftermath did not end")
    return ", ".join(found)


def _died(evidence: Evidence) -> str:
    """How the handler ended before the aftermath; empty if it did not."""
    before, forced = evidence.before.exits, evidence.forced
    if evidence.inside:
        before, forced = evidence.attacked.escape.exits, 0
    if evidence.attacked.exits - before <= forced:
        return ""
    signal = os.WTERMSIG(evidence.attacked.exit_code)
    return f", died of {signal_name(-signal)}" if signal else ", left by itself"


def _unproven(evidence: Evidence, end: AttemptEnd) -> str:
    """Why `held` may not be believed; empty if it may."""
    if end.end is End.BROKEN:
        return f"the attack was not carried through: {end.detail}"
    if evidence.reached == 0 and not evidence.gained:
        return "the attack never reached the handler in the kernel"
    came_to_harm = evidence.attacked.escape.failed and _died(evidence)
    if evidence.inside and not (came_to_harm or _refused_call(evidence)):
        return "the handler came to no harm by what it was asked to try"
    if evidence.whole_kernel and end.end not in (End.LOCKED_DOWN, End.DENIED):
        return "an attack on the whole kernel could have changed the witness as well"
    begun = (True, *_forced(evidence.after))
    for number, (phase, started) in enumerate(
        zip(evidence.after.phases, begun, strict=True), start=1
    ):
        if not (started and phase.right):
            return f"phase {number} of the aftermath did not take place"
    return ""


def _worthless(evidence: Evidence) -> str:
    """Why nothing can be concluded from the evidence, whatever it says; empty if something can."""
    if evidence.taint & ~NO_COMPLAINT:
        return f"the kernel complained of itself: taint {evidence.taint:#x}"
    if evidence.witness_changed or not _adds_up(evidence.after):
        return "the witness itself was tampered with"
    if evidence.after.demoted > evidence.before.demoted:
        return "the witness's own priority was taken away"
    if evidence.before.violations:
        return "the handler was not as the kernel set it up, before any attack"
    if evidence.inside and not evidence.attacked.escape.asked:
        return "the handler was never asked to try"
    if _is_unknown_call(evidence):
        return "the kernel has no such system call (ENOSYS)"
    return ""


def conclude(evidence: Evidence, end: AttemptEnd) -> Conclusion:
    """The verdict: the worst that the witness saw, and `held` only where all proof is there."""
    wrongs, missing = _wrongs(evidence), _missing(evidence)
    wrong = ", ".join([*(["escaped"] if wrongs and evidence.inside else []), *wrongs.values()])
    leaked = any(sha256(data).digest() in evidence.secrets for data in evidence.shown)
    axes = Axes(integrity=bool(wrong), availability=bool(missing), confidentiality=leaked)
    if worthless := _worthless(evidence):
        return Conclusion(Verdict.ERROR, axes, worthless)
    if axes.verdict is Verdict.DISRUPTED and evidence.stalled > STALL_SECONDS:
        return Conclusion(
            Verdict.ERROR, axes, f"{STOOD_STILL} for {evidence.stalled:.1f} s: {missing}"
        )
    if axes.verdict is not Verdict.HELD:
        shown = "the secret was shown" if leaked else ""
        detail = ", ".join(filter(None, (wrong, missing, shown, _gained(evidence))))
        return Conclusion(axes.verdict, axes, detail, frozenset(wrongs))
    if unproven := _unproven(evidence, end):
        return Conclusion(Verdict.ERROR, axes, unproven)
    return Conclusion(Verdict.HELD, axes, _held_detail(evidence, end))


def _gained(evidence: Evidence) -> str:
    return f"gained {', '.join(evidence.gained)}" if evidence.gained else ""


def _held_detail(evidence: Evidence, end: AttemptEnd) -> str:
    if evidence.gained:
        return _gained(evidence)
    if end.end is End.REFUSED:
        return end.detail
    if end.end in (End.NO_TARGET, End.LOCKED_DOWN, End.DENIED):
        return str(end)
    if evidence.inside:
        return _refused_call(evidence) or f"stopped{_died(evidence)}"
    found = f"no effect, reached {evidence.reached} x" if evidence.reached else ""
    return ", ".join(filter(None, (found, end.detail)))
