# SPDX-License-Identifier: GPL-2.0-only
"""How an attack ended, by the attacker's own account: a reason to doubt, never a verdict."""

from __future__ import annotations

from errno import EACCES, EPERM
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import (
    GuestError,
    NoTarget,
    ProgramFailed,
    SetupFailed,
    ShortTransfer,
)
from harness.host.errors import Silent, VmLost
from harness.lab.python_error import described
from harness.model.attempt_end import AttemptEnd, End

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.model.variants import Policy
    from harness.scenarios.registry import Scenario
    from harness.witness.handler import Handler


def _is_locked_down(scenario: Scenario, error: BaseException | None, *, locked: bool) -> bool:
    """Whether lockdown may have refused the call: that of the attack, or of one of its tools."""
    if not locked or not isinstance(error, GuestError):
        return False
    return scenario.lockdown.get(error.call) == error.errno


def _is_denied(error: BaseException | None, *, policed: Policy | None) -> bool:
    """Whether a rival's policy may have refused the call. It may refuse any call."""
    if policed is None or not isinstance(error, GuestError):
        return False
    return error.errno in (EACCES, EPERM) or (error.call, error.errno) in policed.also


def _classify(
    scenario: Scenario, error: GuestError, *, spared: bool, locked: bool, policed: Policy | None
) -> AttemptEnd:
    if _is_locked_down(scenario, error, locked=locked):
        return AttemptEnd(End.LOCKED_DOWN, str(error))
    if error.call == scenario.call:
        if spared and error.errno in scenario.no_target:
            return AttemptEnd(End.NO_TARGET, str(error))
        if error.errno in scenario.refused:
            return AttemptEnd(End.REFUSED, str(error))
    if _is_denied(error, policed=policed):
        return AttemptEnd(End.DENIED, str(error))
    return AttemptEnd(End.BROKEN, f"unexpected {error}")


def _python_error(error: SetupFailed) -> BaseException | None:
    """Return the error of Python on the host by which a set-up failed; None for any other cause."""
    cause = error.__cause__
    return None if isinstance(cause, (GuestError, ShortTransfer)) else cause


def _classify_setup(
    scenario: Scenario, error: SetupFailed, *, locked: bool, policed: Policy | None
) -> AttemptEnd:
    if _is_denied(error.__cause__, policed=policed):
        return AttemptEnd(End.DENIED, str(error.__cause__))
    if _is_locked_down(scenario, error.__cause__, locked=locked):
        return AttemptEnd(End.LOCKED_DOWN, str(error.__cause__))
    if (cause := _python_error(error)) is not None:
        return AttemptEnd(End.BROKEN, f"set-up: {described(cause, scenario.attack)}")
    return AttemptEnd(End.BROKEN, f"set-up: {error}")


def attempt(
    scenario: Scenario,
    attacker: Attacker,
    handler: Handler,
    *,
    spared: bool,
    locked: bool = False,
    policed: Policy | None = None,
    failed: Callable[[Exception], None] = lambda _error: None,
) -> AttemptEnd:
    """Run the attack. Only a declared errno of the attacking call is a refusal (rule 3).

    `spared`: the variant protects the handler from other tasks. `locked`: it keeps root out of the
    kernel. `policed`: the rival's policy that limits root, if any. The last two may also refuse a
    call of set-up. `failed` is called with an error of the attack's own Python code.

    Raises VmLost if the machine is gone. Any other failure makes a broken attempt, even a handler
    that serves no more: the aftermath shows whether it was lost.
    """
    try:
        account = scenario.attack(attacker, handler)
    except Silent as silent:
        if not silent.alive:
            raise
        return AttemptEnd(End.BROKEN, str(silent))
    except VmLost:
        raise
    except GuestError as error:
        return _classify(scenario, error, spared=spared, locked=locked, policed=policed)
    except NoTarget as nothing:
        if policed:  # the policy may have hidden the target from the attacker
            return AttemptEnd(End.DENIED, str(nothing))
        return AttemptEnd(End.NO_TARGET if spared else End.BROKEN, str(nothing))
    except SetupFailed as error:
        if _python_error(error) is not None:
            failed(error)
        return _classify_setup(scenario, error, locked=locked, policed=policed)
    except (ShortTransfer, ProgramFailed) as error:
        return AttemptEnd(End.BROKEN, str(error))
    except Exception as error:
        failed(error)
        return AttemptEnd(End.BROKEN, described(error, scenario.attack))
    return AttemptEnd(End.COMPLETED, account or "")
