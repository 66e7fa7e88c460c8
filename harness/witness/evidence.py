# SPDX-License-Identifier: GPL-2.0-only
"""The evidence of one cell, and what it shows: wrong answers, missing service, a death."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import errno_name
from harness.attacker.agent.syscalls import NAMES
from harness.vm.process import signal_name
from harness.witness.latency import slowed
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.witness.tally import Record, ReturnedCall, Tally

X32_BIT = 0x40000000
"""__X32_SYSCALL_BIT of arch/x86/include/uapi/asm/unistd.h."""

MINUS_ONE = 0xFFFFFFFF
"""-1 as the number of a 32-bit call: no kernel has such a call."""

WRONG_REPLY = "wrong reply"
CALL_RETURNED = "call returned"

LOCKDEP_OFF = 1 << 32
"""Beside the taint flags, which are fewer: lockdep is off. It taints nothing when it has made a
report, and switches itself off. A taint that makes lockdep unreliable does so as well."""


@dataclass(frozen=True)
class Evidence:
    """All that a verdict may rest on."""

    before: Tally
    """The tally before the attack."""
    attacked: Tally
    """The tally when the attack had ended, before the aftermath."""
    after: Tally
    """The tally after the aftermath."""
    taint: int
    """The taint flags that the kernel has set since the trial began, and `LOCKDEP_OFF`."""
    reached: int | None
    """Calls of the function that proves the attack's arrival. None: no function can prove it."""
    shown: tuple[bytes, ...]
    """What the attacker claims to be the handler's secret."""
    secrets: frozenset[bytes]
    """SHA-256 hashes of the secrets, from the witness."""
    gained: tuple[str, ...]
    """What the attack got hold of, as far as the host found it to be true."""
    aftermath_ended: bool
    stalled: float
    """The longest time for which the whole machine stood still by itself, in seconds."""
    delay: float
    """How many times as long as on an idle host the machine's own work took."""
    forced: int
    """Restarts that the scenario asked of the witness."""
    inside: bool
    """The attack starts in the handler."""
    whole_kernel: bool
    """The attack may write kernel memory."""
    policed: bool
    """A policy that tells its refusals is in force. It may refuse a system call of the handler."""
    witness_changed: bool
    """The witness's code differs from the code before the attack."""
    entered: Mapping[str, int]
    """The ways by which code or data may have come into the guest's kernel, as QEMU saw it, each
    with the number of calls."""
    at_rest: str
    """What the host found wrong in the handler's own memory, or in its reply to the host; empty if
    nothing was."""
    unseen: str
    """Why the host did not see the handler at rest after the aftermath, or got no reply from it;
    empty if it did."""
    contradictions: tuple[str, ...]
    """Where the tally contradicts what the host noted before."""
    kernel_changed: str
    """What was changed in the guest's kernel, by none of its own patches; empty: nothing."""
    pauses: bool
    """The attack stops all of user space for a while on its way. A late reply is then no loss, only
    a missing one."""
    records: tuple[Record, ...]
    """The records of all requests that the host has seen. A tally has the latest."""


@dataclass(frozen=True)
class Death:
    """The end of a handler before the aftermath, by a signal or by its own exit."""

    signal: int
    """The number of the signal, 0 if the handler exited."""

    def __str__(self) -> str:
        return f"died of {signal_name(-self.signal)}" if self.signal else "left by itself"


def wrongs(evidence: Evidence) -> dict[str, str]:
    """What was wrong with the handler's replies or state, each with its text for people."""
    before, after = evidence.before, evidence.after
    found = {}
    if wrong := after.count.wrong - before.count.wrong:
        found[WRONG_REPLY] = f"{wrong} wrong replies" if wrong > 1 else "1 wrong reply"
    for flag in Violation:
        if flag in after.violations:
            found[flag.word] = flag.word
    if after.escape.returned > before.escape.returned and not refused_call(evidence):
        found[CALL_RETURNED] = f"{_call_names(evidence)} returned"
    if evidence.at_rest and not found:  # the tally may have been rewritten
        found[evidence.at_rest] = evidence.at_rest
    return found


def missing(evidence: Evidence, *, delay: float = 1.0) -> str:
    """What was missing of the handler's service, empty if nothing was.

    Replies may be late by `delay`, a factor.
    """
    before, after = evidence.before.count, evidence.after.count
    found = []
    if evidence.inside:
        # The end of a handler that misbehaves is no loss. Its successor has to serve.
        _, restart, reload = evidence.after.phases
        failed, restarts = restart.failed + reload.failed, 0
    else:
        failed = after.failed - before.failed
        expected = evidence.forced + sum(forced_starts(evidence.after))
        restarts = after.starts - before.starts - expected
    if failed:
        found.append(f"{failed} failed ({errno_name(-after.error)})")
    if restarts > 0:
        found.append(f"restarted {restarts} x")
        if died := death(evidence):
            found.append(str(died))
    if not (evidence.inside or evidence.pauses):
        found.append(slowed(evidence.before, evidence.after, evidence.records, delay=delay))
    if not evidence.aftermath_ended:
        found.append("the aftermath did not end")
    return ", ".join(filter(None, found))


def leaked(evidence: Evidence) -> bool:
    """Whether the attacker has shown a secret of the handler."""
    return any(sha256(data).digest() in evidence.secrets for data in evidence.shown)


def death(evidence: Evidence) -> Death | None:
    """How the handler ended before the aftermath, None if it did not."""
    before, forced = evidence.before.exits, evidence.forced
    if evidence.inside:
        before, forced = evidence.attacked.escape.exits, 0
    if evidence.attacked.exits - before <= forced:
        return None
    return Death(os.WTERMSIG(evidence.attacked.exit_code))


def forced_starts(after: Tally) -> tuple[bool, bool]:
    """Whether the aftermath's restart and its reload took place. Each makes one start."""
    _, restart, reload = after.phases
    return restart.starts > 0, reload.loads > 0


def refused_call(evidence: Evidence) -> str:
    """The errno and the names of the handler's calls, if a policy refused them all; else empty.

    Without a policy nothing refuses a call that was made: a call that returned got past the filter.
    """
    if evidence.policed and _all_returned(evidence, errno.EACCES, errno.EPERM):
        last = evidence.after.escape.since(evidence.before.escape)[-1]
        return f"{errno_name(-last.result)} at {_call_names(evidence)}"
    return ""


def is_unknown_call(evidence: Evidence) -> bool:
    """Whether the kernel lacks all system calls that the handler made: then nothing was tried.

    No kernel has the call -1. Its ENOSYS shows that nothing stopped it on its way in.
    """
    calls = evidence.after.escape.since(evidence.before.escape)
    is_none = any(call.call == MINUS_ONE for call in calls)
    return not is_none and _all_returned(evidence, errno.ENOSYS)


def _all_returned(evidence: Evidence, *errnos: int) -> bool:
    """Whether the handler made calls, and all of them failed with one of these errnos."""
    before, after = evidence.before.escape, evidence.after.escape
    calls = after.since(before)
    return 0 < len(calls) == after.returned - before.returned and all(
        -call.result in errnos for call in calls
    )


def _call_names(evidence: Evidence) -> str:
    calls = evidence.after.escape.since(evidence.before.escape)
    return ", ".join(dict.fromkeys(map(_call_name, calls)))


def _call_name(made: ReturnedCall) -> str:
    """The name of a handler's call. 32-bit calls have a table of their own, x32 calls a bit."""
    if made.compat:
        return f"32-bit call {-1 if made.call == MINUS_ONE else made.call}"
    name = NAMES.get(made.call & ~X32_BIT, f"call {made.call}")
    return f"x32 {name}" if made.call & X32_BIT else name
