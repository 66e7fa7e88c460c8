# SPDX-License-Identifier: GPL-2.0-only
"""How an attack is said to have ended: a refusal is only what was declared as one."""

from __future__ import annotations

from errno import EACCES, EINVAL, ENOENT, ENOSYS, EPERM, ESRCH
from typing import TYPE_CHECKING, cast

import pytest

from harness.attacker import GuestError, SetupFailed, ShortTransfer
from harness.attacker.agent.errors import ProgramFailed
from harness.host.errors import Silent, UserError, VmLost
from harness.lab.attempt import attempt
from harness.model.attempt_end import AttemptEnd, End
from harness.model.variants import LOCKDOWN, SELINUX, Policy
from harness.model.verdict import Effect
from harness.scenarios.registry import Scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler


def end_of(
    error: BaseException | None,
    *,
    spared: bool = False,
    locked: bool = False,
    policed: Policy | None = None,
    said: str | None = None,
) -> AttemptEnd:
    """How an attack that raises `error`, or else says this, ended; its attacking call is openat."""

    def attack(_attacker: Attacker, _handler: Handler) -> str | None:
        if error:
            raise error
        return said

    scenario = Scenario(
        name="made_up",
        summary="",
        attack=attack,
        effect=Effect.INTEGRITY,
        surface="test",
        answers=(),
        call="openat",
        refused=(EPERM, EACCES),
        no_target=(ESRCH, EPERM),
        lockdown={"init_module": EPERM},
    )
    nobody = cast("Attacker", None), cast("Handler", None)
    return attempt(scenario, *nobody, spared=spared, locked=locked, policed=policed)


def test_an_attack_that_raises_nothing_is_completed() -> None:
    assert end_of(None) == AttemptEnd(End.COMPLETED)
    assert end_of(None, said="it claims success") == AttemptEnd(End.COMPLETED, "it claims success")


@pytest.mark.parametrize(
    ("number", "spared", "end"),
    [
        (EPERM, False, End.REFUSED),
        (EACCES, False, End.REFUSED),
        (EACCES, True, End.REFUSED),
        (EPERM, True, End.NO_TARGET),
        (ESRCH, True, End.NO_TARGET),
        (ESRCH, False, End.BROKEN),
        (ENOENT, False, End.BROKEN),
        (ENOENT, True, End.BROKEN),
        (ENOSYS, False, End.BROKEN),
    ],
)
def test_an_errno_counts_for_what_it_was_declared(number: int, *, spared: bool, end: End) -> None:
    assert end_of(GuestError(number, "openat"), spared=spared).end is end
    # Of any other call no errno is a refusal.
    assert end_of(GuestError(number, "mkdir"), spared=spared).end is End.BROKEN


@pytest.mark.parametrize("spared", [False, True])
def test_lockdown_counts_where_there_is_one_and_for_what_was_declared(*, spared: bool) -> None:
    refused = GuestError(EPERM, "init_module")
    end = AttemptEnd(End.LOCKED_DOWN, "EPERM at init_module")
    assert end_of(refused, spared=spared, locked=True) == end
    assert end_of(refused, spared=spared).end is End.BROKEN
    for other in (GuestError(EACCES, "init_module"), GuestError(EPERM, "kexec_load")):
        assert end_of(other, spared=spared, locked=True).end is End.BROKEN
    assert end_of(GuestError(EACCES, "openat"), spared=spared, locked=True).end is End.REFUSED


def preparing(cause: Exception) -> SetupFailed:
    failed = SetupFailed(f"set-up failed: {cause}")
    failed.__cause__ = cause
    return failed


@pytest.mark.parametrize("number", [EPERM, EACCES])
def test_a_rivals_policy_may_refuse_at_any_call(number: int) -> None:
    refused = GuestError(number, "mkdir")
    for error in (refused, preparing(refused)):
        assert end_of(error, policed=SELINUX) == AttemptEnd(End.DENIED, str(refused))
        assert end_of(error).end is End.BROKEN
    assert end_of(GuestError(EINVAL, "bpf"), policed=SELINUX).end is End.BROKEN
    assert end_of(GuestError(EINVAL, "bpf"), policed=LOCKDOWN).end is End.DENIED
    assert end_of(GuestError(EINVAL, "mkdir"), policed=LOCKDOWN).end is End.BROKEN
    # The attacking call may be refused by who refuses everybody.
    assert end_of(GuestError(number, "openat"), policed=SELINUX).end is End.REFUSED
    assert end_of(GuestError(ENOENT, "mkdir"), policed=SELINUX).end is End.BROKEN
    assert end_of(preparing(ShortTransfer("write", count=3, wanted=9)), policed=SELINUX).end is (
        End.BROKEN
    )


def test_lockdown_may_take_the_tools_of_an_attack() -> None:
    refused = preparing(GuestError(EPERM, "init_module"))
    end = AttemptEnd(End.LOCKED_DOWN, "EPERM at init_module")
    assert end_of(refused, locked=True) == end
    assert end_of(refused).end is End.BROKEN
    assert end_of(preparing(GuestError(EPERM, "openat")), locked=True).end is End.BROKEN
    short = ShortTransfer("init_module", count=3, wanted=9)
    assert end_of(preparing(short), locked=True).end is End.BROKEN


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SetupFailed("EPERM at openat"), "set-up: EPERM at openat"),
        (ShortTransfer("write", count=3, wanted=9), "write moved 3 of 9 bytes"),
        (UserError("there is no payload 'x'", hint="add it"), "there is no payload"),
        (ProgramFailed("mine died of SIGSEGV"), "mine died of SIGSEGV"),
        (PermissionError(EPERM, "of the host's"), "of the host's"),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
    ],
)
def test_whatever_else_goes_wrong_is_a_broken_attempt(error: Exception, said: str) -> None:
    ended = end_of(error)
    assert ended.end is End.BROKEN
    assert said in ended.detail


def test_a_handler_that_does_not_serve_any_more_is_for_the_aftermath_to_judge() -> None:
    ended = end_of(Silent("no reply within 10 s", alive=True))
    assert (ended.end, ended.detail) == (End.BROKEN, "no reply within 10 s")


@pytest.mark.parametrize(
    "error", [VmLost("gone"), Silent("the heart has stopped", alive=False), KeyboardInterrupt()]
)
def test_a_lost_machine_and_ctrl_c_are_not_swallowed(error: BaseException) -> None:
    with pytest.raises(type(error)):
        end_of(error)
