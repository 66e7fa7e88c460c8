# SPDX-License-Identifier: GPL-2.0-only
"""The verdict on every kind of evidence. What the attacker says can only take belief away."""

from __future__ import annotations

import errno
from dataclasses import replace
from errno import ETIMEDOUT
from hashlib import sha256
from signal import SIGKILL, SIGSYS
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tallies import (
    AFTER,
    BEFORE,
    BROKEN,
    COMPLETED,
    LOCKED_DOWN,
    NO_CALL,
    NO_TARGET,
    REFUSED,
    WHOLE_PHASES,
    count,
    evidence,
)

from harness.model.attempt_end import AttemptEnd, End
from harness.model.verdict import Axes, Verdict
from harness.witness.cell_verdict import STALL_SECONDS, draw_verdict
from harness.witness.evidence import CALL_RETURNED, LOCKDEP_OFF, MINUS_ONE, Death, death
from harness.witness.latency import SLOW_NS
from harness.witness.layout import RETURNS
from harness.witness.tally import Escape, Record, ReturnedCall, Violation

if TYPE_CHECKING:
    from harness.witness.tally import Tally

ENDS = (COMPLETED, REFUSED, NO_TARGET, LOCKED_DOWN, BROKEN)
SECRET = b"s" * 32
SECRETS = frozenset({sha256(SECRET).digest(), bytes(32)})

WRONG = replace(AFTER, count=replace(AFTER.count, wrong=2, right=68))
FAILED = replace(AFTER, count=replace(AFTER.count, failed=1, error=-ETIMEDOUT))
RESTARTED = replace(AFTER, count=replace(AFTER.count, starts=4))
SLOW = replace(AFTER, slowest=SLOW_NS + 1)


def phases(number: int, **numbers: int) -> Tally:
    """The tally after an aftermath of which one phase is different."""
    changed = list(WHOLE_PHASES)
    changed[number - 1] = replace(changed[number - 1], **numbers)
    starts = 1 + sum(phase.starts for phase in changed)
    return replace(AFTER, phases=tuple(changed), count=replace(AFTER.count, starts=starts))


@pytest.mark.parametrize(
    ("end", "reached", "detail"),
    [
        (COMPLETED, 3, "no effect, reached 3 x"),
        (
            replace(COMPLETED, detail="it claims success"),
            3,
            "no effect, reached 3 x, it claims success",
        ),
        (COMPLETED, None, ""),
        (REFUSED, 1, "EPERM at openat"),
        (NO_TARGET, None, "no target: ESRCH at openat"),
        (NO_TARGET, 1, "no target: ESRCH at openat"),
        (LOCKED_DOWN, 1, "locked down: EPERM at openat"),
    ],
)
def test_held_with_all_its_proof(end: AttemptEnd, reached: int | None, detail: str) -> None:
    drawn = draw_verdict(evidence(reached=reached), end)
    assert (drawn.verdict, drawn.detail) == (Verdict.HELD, detail)
    assert drawn.axes == Axes()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    ("after", "detail"),
    [
        (WRONG, "2 wrong replies"),
        (replace(AFTER, count=replace(AFTER.count, wrong=1)), "1 wrong reply"),
        (replace(AFTER, violations=Violation.TRACED), "traced"),
        (
            replace(AFTER, violations=Violation.ADOPTED | Violation.FOREIGN_EXE),
            "adopted, foreign exe",
        ),
    ],
)
def test_what_is_wrong_beats_whatever_is_said(end: AttemptEnd, after: Tally, detail: str) -> None:
    """Even if nothing was reached, much else is missing, and the machine stood still."""
    for other in ({}, {"reached": 0}, {"aftermath_ended": False, "stalled": 9.0}):
        drawn = draw_verdict(evidence(after=after, **other), end)
        assert drawn.verdict is Verdict.TAMPERED
        assert drawn.detail.startswith(detail)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    ("after", "detail"),
    [
        (FAILED, "1 failed (ETIMEDOUT)"),
        (RESTARTED, "restarted 1 x"),
        (SLOW, "slowed to 1.0 s"),
        (phases(1, starts=2), "restarted 2 x"),
        (phases(2, starts=2), "restarted 1 x"),
    ],
)
def test_what_is_missing_is_a_disruption(end: AttemptEnd, after: Tally, detail: str) -> None:
    drawn = draw_verdict(evidence(after=after), end)
    assert (drawn.verdict, drawn.detail) == (Verdict.DISRUPTED, detail)
    assert drawn.axes == Axes(availability=True)


def test_a_pause_on_the_way_makes_replies_late_and_loses_none() -> None:
    late = draw_verdict(evidence(after=SLOW, pauses=True), COMPLETED)
    assert late.verdict is Verdict.HELD
    failed = draw_verdict(evidence(after=FAILED, pauses=True), COMPLETED)
    assert failed.verdict is Verdict.DISRUPTED


def test_an_aftermath_that_does_not_end_under_a_beating_heart_is_a_disruption() -> None:
    drawn = draw_verdict(evidence(aftermath_ended=False), COMPLETED)
    assert drawn.verdict is Verdict.DISRUPTED
    assert drawn.detail == "the aftermath did not end"


@pytest.mark.parametrize("after", [FAILED, RESTARTED, SLOW])
def test_what_a_standing_machine_lacks_is_nobodys_doing(after: Tally) -> None:
    drawn = draw_verdict(evidence(after=after, stalled=STALL_SECONDS + 1), COMPLETED)
    assert drawn.verdict is Verdict.ERROR
    assert "the machine stood still for 1.5 s" in drawn.detail
    assert drawn.retry
    assert draw_verdict(evidence(after=after, stalled=STALL_SECONDS), COMPLETED).verdict is (
        Verdict.DISRUPTED
    )
    # All replies came, in time and right: it is no matter that the machine rested in between.
    assert draw_verdict(evidence(stalled=60.0), COMPLETED).verdict is Verdict.HELD


def timed(tally: Tally, first: int, milliseconds: int) -> Tally:
    """The tally with the records of 40 replies from number `first`, each as late as that."""
    numbers = range(first, first + 40)
    records = tuple(Record(n, 1, 0, False, milliseconds * 1_000_000) for n in numbers)
    return replace(tally, records=records)


def test_replies_that_the_host_alone_may_have_delayed_allow_no_conclusion() -> None:
    usual, late = timed(BEFORE, 1, 1), timed(AFTER, 100, 6)
    drawn = draw_verdict(evidence(before=usual, after=late, delay=1.5), COMPLETED)
    assert drawn.verdict is Verdict.ERROR
    assert drawn.detail.startswith("the busy host made the machine's work take 1.5 times as long: ")
    assert drawn.retry
    later, longer = timed(AFTER, 100, 8), replace(AFTER, slowest=2 * SLOW_NS)
    for before, after in [(usual, later), (BEFORE, FAILED), (BEFORE, longer)]:
        lost = draw_verdict(evidence(before=before, after=after, delay=1.5), COMPLETED)
        assert lost.verdict is Verdict.DISRUPTED
    assert draw_verdict(evidence(delay=9.0), COMPLETED).verdict is Verdict.HELD


@pytest.mark.parametrize(
    "other",
    [{}, {"after": FAILED}, {"after": WRONG, "stalled": 9.0}, {"taint": 0x280, "stalled": 9.0}],
    ids=["held", "disrupted", "tampered", "complained"],
)
def test_only_a_machine_that_stood_still_is_retried(other: dict[str, Any]) -> None:
    assert not draw_verdict(evidence(**other), COMPLETED).retry


@pytest.mark.parametrize(
    ("taint", "said"),
    [
        (LOCKDEP_OFF, "taint 0x0, lockdep is off"),
        (LOCKDEP_OFF | 0x20, "taint 0x20, lockdep is off"),
        (0x20, "taint 0x20"),
    ],
)
def test_a_report_of_lockdep_is_a_complaint_as_a_taint_is(taint: int, said: str) -> None:
    drawn = draw_verdict(evidence(taint=taint), COMPLETED)
    assert drawn.verdict is Verdict.ERROR
    assert drawn.detail == f"the kernel complained of itself: {said}"


def test_what_was_so_before_is_not_the_attacks_doing() -> None:
    before = replace(
        BEFORE,
        slowest=3 * SLOW_NS,
        count=replace(BEFORE.count, wrong=1, failed=2, starts=2),
    )
    after = replace(
        AFTER,
        slowest=3 * SLOW_NS,
        count=replace(AFTER.count, wrong=1, failed=2, starts=4),
    )
    assert draw_verdict(evidence(before=before, after=after), COMPLETED).verdict is Verdict.HELD


def test_a_handler_that_was_not_as_set_up_before_the_attack_proves_nothing() -> None:
    adopted = evidence(before=replace(BEFORE, violations=Violation.ADOPTED))
    assert draw_verdict(adopted, COMPLETED).verdict is Verdict.ERROR


@pytest.mark.parametrize(
    ("shown", "leaked"),
    [
        ((SECRET,), True),
        ((b"no", SECRET), True),
        ((), False),
        ((b"",), False),
        ((bytes(32),), False),
        ((sha256(SECRET).digest(),), False),
        ((SECRET + b"\0", SECRET[:-1]), False),
    ],
)
def test_only_the_secret_itself_is_a_leak(shown: tuple[bytes, ...], *, leaked: bool) -> None:
    drawn = draw_verdict(evidence(shown=shown, secrets=SECRETS), COMPLETED)
    assert drawn.verdict is (Verdict.LEAKED if leaked else Verdict.HELD)
    assert drawn.axes.confidentiality == leaked


def test_the_worst_axis_is_the_verdict_and_all_are_told() -> None:
    both = replace(WRONG, slowest=SLOW_NS * 2)
    drawn = draw_verdict(evidence(after=both, shown=(SECRET,), secrets=SECRETS), COMPLETED)
    assert drawn.verdict is Verdict.TAMPERED
    assert drawn.axes == Axes(integrity=True, availability=True, confidentiality=True)
    assert drawn.detail == "2 wrong replies, slowed to 2.0 s, the secret was shown"


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("after", [AFTER, WRONG, FAILED])
def test_a_kernel_that_complains_proves_nothing(end: AttemptEnd, after: Tally) -> None:
    drawn = draw_verdict(evidence(after=after, taint=0x280), end)
    assert drawn.verdict is Verdict.ERROR
    assert drawn.detail.endswith("taint 0x280")


def test_a_livepatch_or_unsigned_module_is_no_complaint() -> None:
    for note in (1 << 13, 1 << 15):
        assert (
            draw_verdict(evidence(after=WRONG, taint=note), COMPLETED).verdict is Verdict.TAMPERED
        )


def test_a_broken_attempt_is_an_error_however_well_all_went() -> None:
    drawn = draw_verdict(evidence(), BROKEN)
    assert drawn.verdict is Verdict.ERROR
    assert drawn.detail.endswith("unexpected ENOENT at openat")


@pytest.mark.parametrize("end", [COMPLETED, REFUSED, NO_TARGET])
def test_an_attack_that_never_arrived_is_an_error(end: AttemptEnd) -> None:
    drawn = draw_verdict(evidence(reached=0), end)
    assert drawn.verdict is Verdict.ERROR
    assert "never reached" in drawn.detail


@pytest.mark.parametrize("end", [COMPLETED, REFUSED, NO_TARGET])
@pytest.mark.parametrize(
    ("number", "lacking"),
    [
        (1, {"right": 0}),
        (2, {"right": 0}),
        (3, {"right": 0}),
        (2, {"starts": 0}),
        (3, {"starts": 0, "loads": 0}),
    ],
)
def test_without_the_whole_aftermath_nothing_is_held(
    end: AttemptEnd, number: int, lacking: dict[str, int]
) -> None:
    drawn = draw_verdict(evidence(after=phases(number, **lacking)), end)
    assert drawn.verdict is Verdict.ERROR
    assert drawn.detail == f"phase {number} of the aftermath did not take place"
    assert not drawn.retry, "the host was calm"


def test_an_aftermath_that_a_still_machine_cut_short_is_tried_again() -> None:
    drawn = draw_verdict(evidence(after=phases(3, starts=0, loads=0), stalled=1.4), COMPLETED)
    assert (drawn.verdict, drawn.retry) == (Verdict.ERROR, True)


def test_a_restart_does_not_pass_for_a_reload() -> None:
    drawn = draw_verdict(evidence(after=phases(3, loads=0)), COMPLETED)
    assert drawn.verdict is Verdict.DISRUPTED
    assert drawn.detail == "restarted 1 x"


NUMBERS = st.integers(0, 3)
COUNTS = st.builds(count, right=NUMBERS, starts=NUMBERS, loads=NUMBERS)


@given(
    counts=st.builds(count, right=NUMBERS, wrong=NUMBERS, failed=NUMBERS, starts=NUMBERS),
    phase=st.tuples(COUNTS, COUNTS, COUNTS),
    violations=st.integers(0, 7).map(Violation),
    end=st.sampled_from(ENDS),
    other=st.fixed_dictionaries(
        {
            "taint": st.sampled_from([0, 1]),
            "reached": st.sampled_from([None, 0, 1]),
            "shown": st.sampled_from([(), (SECRET,)]),
            "secrets": st.sampled_from([frozenset(), SECRETS]),
            "aftermath_ended": st.booleans(),
            "stalled": st.sampled_from([0.0, 5.0]),
        }
    ),
)
def test_held_is_never_said_lightly(
    counts: Any, phase: Any, violations: Violation, end: AttemptEnd, other: dict[str, Any]
) -> None:
    before = replace(BEFORE, count=count())
    after = replace(AFTER, count=counts, phases=phase, violations=violations)
    found = draw_verdict(evidence(before=before, after=after, **other), end)
    if found.verdict is Verdict.HELD:
        assert not (counts.wrong or counts.failed or violations or other["taint"])
        assert end is not BROKEN
        assert other["reached"] != 0
        assert all(p.right for p in phase)
        assert phase[1].starts >= 1
        assert phase[2].loads >= 1
        assert not (other["shown"] and other["secrets"])
        assert other["aftermath_ended"]
    if found.verdict is Verdict.TAMPERED:
        assert counts.wrong or violations
    if found.verdict is not Verdict.ERROR:
        assert found.verdict is found.axes.verdict


# From inside the handler

ASKED = replace(BEFORE, exits=1, escape=replace(BEFORE.escape, asked=1, exits=1))
KILLED = replace(ASKED, exits=2, exit_code=SIGSYS, escape=replace(ASKED.escape, failed=1))


def returned(call: int, *, compat: bool = False, result: int = 3) -> Tally:
    """The tally after a call that got away."""
    return with_returned(ReturnedCall(call, compat, result))


def with_returned(*calls: ReturnedCall) -> Tally:
    """The tally after these calls returned."""
    slots = [*calls, *[NO_CALL] * RETURNS][:RETURNS]
    return replace(AFTER, escape=Escape(1, len(calls), 0, 0, tuple(slots)))


@pytest.mark.parametrize(
    ("call", "compat", "name"),
    [(257, False, "openat"), (20, True, "32-bit call 20"), (0x40000000 | 39, False, "x32 getpid")],
)
def test_a_call_outside_the_list_that_returned_is_an_escape(
    call: int, compat: bool, name: str
) -> None:
    found = draw_verdict(
        evidence(attacked=ASKED, after=returned(call, compat=compat), inside=True, reached=None),
        COMPLETED,
    )
    assert (found.verdict, found.detail) == (Verdict.TAMPERED, f"escaped, {name} returned")


def test_a_call_that_a_policy_refused_got_the_handler_nowhere() -> None:
    refused = returned(257, result=-errno.EACCES)
    made = evidence(attacked=ASKED, after=refused, inside=True, reached=None, policed=True)
    found = draw_verdict(made, COMPLETED)
    assert (found.verdict, found.detail) == (Verdict.HELD, "EACCES at openat")
    call = refused.escape.calls[0]
    found = draw_verdict(replace(made, after=with_returned(call, call)), COMPLETED)
    assert (found.verdict, found.detail) == (Verdict.HELD, "EACCES at openat")
    succeeded = with_returned(replace(call, result=3), call)
    found = draw_verdict(replace(made, after=succeeded), COMPLETED)
    assert found.verdict is Verdict.TAMPERED
    many = with_returned(*[call] * (RETURNS + 1))
    found = draw_verdict(replace(made, after=many), COMPLETED)
    assert found.verdict is Verdict.TAMPERED, "nobody knows the result of the first"
    found = draw_verdict(replace(made, policed=False), COMPLETED)
    assert found.verdict is Verdict.TAMPERED, "it got past what lets nothing out"


def test_a_call_that_the_kernel_does_not_have_was_none() -> None:
    unknown = returned(425, result=-errno.ENOSYS)
    found = draw_verdict(
        evidence(attacked=ASKED, after=unknown, inside=True, reached=None), COMPLETED
    )
    assert found.verdict is Verdict.ERROR
    assert "ENOSYS" in found.detail
    escaped = with_returned(ReturnedCall(257, compat=False, result=3), unknown.escape.calls[0])
    found = draw_verdict(
        evidence(attacked=ASKED, after=escaped, inside=True, reached=None), COMPLETED
    )
    assert (found.verdict, found.detail) == (
        Verdict.TAMPERED,
        "escaped, openat, io_uring_setup returned",
    )


def test_a_call_that_no_kernel_has_got_past_the_filter_all_the_same() -> None:
    none = returned(MINUS_ONE, result=-errno.ENOSYS, compat=True)
    found = draw_verdict(evidence(attacked=ASKED, after=none, inside=True, reached=None), COMPLETED)
    assert (found.verdict, found.detail) == (
        Verdict.TAMPERED,
        "escaped, 32-bit call -1 returned",
    )


def test_a_call_that_the_kernel_does_not_have_hides_no_tampering() -> None:
    call = returned(425, result=-errno.ENOSYS)
    found = draw_verdict(evidence(after=replace(call, violations=Violation.IMAGE)), COMPLETED)
    assert found.verdict is Verdict.TAMPERED
    assert found.wrongs == {Violation.IMAGE.word, CALL_RETURNED}


@pytest.mark.parametrize("when", ["attacked", "after"])
def test_a_witness_that_watches_another_kind_of_handler_tells_nothing(when: str) -> None:
    wrong = replace(AFTER, chain=0xFFFFFFFFC0000000, violations=Violation.MARK)
    found = draw_verdict(evidence(**{when: wrong}), COMPLETED)
    assert found.verdict is Verdict.ERROR
    assert "another kind of handler" in found.detail


def test_a_handler_that_was_stopped_is_no_loss() -> None:
    lost = replace(AFTER, count=replace(AFTER.count, failed=1, starts=4), slowest=SLOW_NS + 1)
    found = draw_verdict(
        evidence(attacked=KILLED, after=lost, inside=True, reached=None), COMPLETED
    )
    assert (found.verdict, found.detail) == (Verdict.HELD, "stopped, died of SIGSYS")


@pytest.mark.parametrize(
    "attacked",
    [ASKED, replace(KILLED, exits=1), replace(ASKED, exits=2)],
    ids=["answered", "lives", "answered, then ended"],
)
def test_a_handler_that_came_to_no_harm_was_not_stopped(attacked: Tally) -> None:
    """It has to have ended without an answer, and after it was asked."""
    found = draw_verdict(evidence(attacked=attacked, inside=True, reached=None), COMPLETED)
    assert (found.verdict, found.detail) == (
        Verdict.ERROR,
        "the handler came to no harm by what it was asked to try",
    )


def test_the_next_handler_has_to_serve() -> None:
    broken = phases(2, failed=2)
    found = draw_verdict(
        evidence(attacked=KILLED, after=broken, inside=True, reached=None), COMPLETED
    )
    assert found.verdict is Verdict.DISRUPTED


def test_an_escape_that_nobody_asked_for_proves_nothing() -> None:
    assert draw_verdict(evidence(inside=True, reached=None), COMPLETED).verdict is Verdict.ERROR


# The whole kernel


def test_what_may_have_written_the_kernel_never_holds_by_the_tally_alone() -> None:
    assert draw_verdict(evidence(whole_kernel=True), COMPLETED).verdict is Verdict.ERROR
    assert (
        draw_verdict(evidence(after=WRONG, whole_kernel=True), COMPLETED).verdict
        is Verdict.TAMPERED
    )


@pytest.mark.parametrize("end", [LOCKED_DOWN, AttemptEnd(End.DENIED, "EACCES at openat")])
def test_what_was_kept_out_of_the_kernel_holds_if_the_kernel_was_seen_to_ask(
    end: AttemptEnd,
) -> None:
    held = draw_verdict(evidence(whole_kernel=True, reached=1), end)
    assert (held.verdict, held.detail) == (Verdict.HELD, str(end))
    others: tuple[dict[str, Any], ...] = ({"reached": 0}, {"reached": 1, "witness_changed": True})
    for other in others:
        found = draw_verdict(evidence(whole_kernel=True, **other), end)
        assert found.verdict is Verdict.ERROR
    lied = draw_verdict(evidence(after=WRONG, whole_kernel=True, reached=1), end)
    assert lied.verdict is Verdict.TAMPERED


# Invariants


@pytest.mark.parametrize("flag", list(Violation))
def test_a_violated_invariant_is_tampering_without_a_wrong_reply(flag: Violation) -> None:
    found = draw_verdict(evidence(after=replace(AFTER, violations=flag)), COMPLETED)
    assert found.verdict is Verdict.TAMPERED
    assert str(flag.name).lower().replace("_", " ") in found.detail


def test_how_the_handler_died_is_told() -> None:
    died = replace(BEFORE, exits=1, exit_code=SIGKILL)
    assert (
        "died of SIGKILL"
        in draw_verdict(evidence(attacked=died, after=RESTARTED), COMPLETED).detail
    )


def test_a_handler_that_exited_did_not_die_of_a_signal() -> None:
    left = replace(BEFORE, exits=1, exit_code=3 << 8)
    found = draw_verdict(evidence(attacked=left, after=RESTARTED), COMPLETED)
    assert found.detail == "restarted 1 x, left by itself"


def test_a_handler_that_did_not_end_has_no_death() -> None:
    assert death(evidence()) is None
    killed = replace(BEFORE, exits=1, exit_code=SIGKILL)
    assert death(evidence(attacked=killed)) == Death(SIGKILL)
    assert death(evidence(attacked=killed, forced=1)) is None, "the host asked for that end"


def test_a_restart_that_was_asked_for_is_no_loss() -> None:
    restarted = replace(AFTER, count=replace(AFTER.count, starts=4))
    died = replace(BEFORE, exits=1, exit_code=SIGKILL)
    asked = draw_verdict(evidence(attacked=died, after=restarted, forced=1), COMPLETED)
    assert (asked.verdict, asked.detail) == (Verdict.HELD, "no effect, reached 1 x")
    assert draw_verdict(evidence(after=restarted), COMPLETED).verdict is Verdict.DISRUPTED


def test_a_witness_that_was_starved_says_nothing() -> None:
    found = draw_verdict(evidence(after=replace(WRONG, demoted=1)), COMPLETED)
    assert (found.verdict, found.axes.integrity) == (Verdict.ERROR, True)
    assert "priority" in found.detail


@pytest.mark.parametrize(
    "other",
    [{"witness_changed": True}, {"after": replace(AFTER, count=replace(AFTER.count, right=9))}],
)
def test_a_witness_that_was_tampered_with_says_nothing(other: dict[str, Any]) -> None:
    found = draw_verdict(evidence(**other), COMPLETED)
    assert (found.verdict, found.detail) == (Verdict.ERROR, "the witness itself was tampered with")


def test_what_was_gained_needs_no_arrival_at_the_handler() -> None:
    """The host knows it to be true: no other proof is better."""
    drawn = draw_verdict(evidence(reached=0, gained=("its pid", "its page")), COMPLETED)
    assert (drawn.verdict, drawn.detail) == (Verdict.HELD, "gained its pid, its page")
    worse = draw_verdict(evidence(after=WRONG, gained=("its pid",)), COMPLETED)
    assert worse.detail == "2 wrong replies, gained its pid"


@pytest.mark.parametrize(
    ("noted", "detail"),
    [
        (
            {"contradictions": ("exits went back from 1 to 0", "the violation traced vanished")},
            "the witness and the host's own account differ: exits went back from 1 to 0, "
            "the violation traced vanished",
        ),
        (
            {"kernel_changed": "text at pipe_read+0x12"},
            "the guest's kernel was changed: text at pipe_read+0x12",
        ),
    ],
)
@pytest.mark.parametrize(
    "other",
    [
        {},
        {"after": FAILED},
        {"after": FAILED, "stalled": 9.0},
        {"shown": (SECRET,), "secrets": SECRETS},
    ],
    ids=["held", "disrupted", "stood still", "leaked"],
)
def test_no_verdict_rests_on_a_tally_that_the_host_contradicts(
    noted: dict[str, Any], detail: str, other: dict[str, Any]
) -> None:
    drawn = draw_verdict(evidence(**noted, **other), COMPLETED)
    assert (drawn.verdict, drawn.detail, drawn.retry) == (Verdict.ERROR, detail, False)
    # What the tally admits against the attacker's interest stays true.
    assert draw_verdict(evidence(after=WRONG, **noted), COMPLETED).verdict is Verdict.TAMPERED


def test_an_attack_on_the_whole_kernel_may_change_it() -> None:
    changed: dict[str, Any] = {"kernel_changed": "text at pipe_read+0x12", "whole_kernel": True}
    assert draw_verdict(evidence(**changed), LOCKED_DOWN).verdict is Verdict.HELD
    assert draw_verdict(evidence(after=FAILED, **changed), COMPLETED).verdict is Verdict.DISRUPTED


@pytest.mark.parametrize("other", [{}, {"kernel_changed": "x"}, {"contradictions": ("x",)}])
def test_what_the_host_sees_at_rest_is_tampering_whatever_the_tally_says(
    other: dict[str, Any],
) -> None:
    drawn = draw_verdict(evidence(at_rest="secret at rest", unseen="x", **other), COMPLETED)
    assert (drawn.verdict, drawn.detail) == (Verdict.TAMPERED, "secret at rest")
    # It adds nothing where the tally says as much.
    told = draw_verdict(evidence(at_rest="secret at rest", after=WRONG), COMPLETED)
    assert told.detail == "2 wrong replies"


def test_what_the_host_did_not_see_is_not_held() -> None:
    drawn = draw_verdict(evidence(unseen="there is no handler"), COMPLETED)
    assert drawn.verdict is Verdict.ERROR
    assert drawn.detail == "the host did not see the handler at rest: there is no handler"
    lost = draw_verdict(evidence(unseen="there is no handler", after=FAILED), COMPLETED)
    assert lost.verdict is Verdict.DISRUPTED
