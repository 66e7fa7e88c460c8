# SPDX-License-Identifier: GPL-2.0-only
"""An attack whose own Python code fails: its line is told, and its traceback is kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from local_agent import local_attacker

from harness.host.errors import UserError, VmLost
from harness.lab.attempt import attempt
from harness.lab.plan import CellPlan
from harness.lab.python_error import described, traceback_of
from harness.lab.trial import Trial
from harness.model.attempt_end import AttemptEnd, End
from harness.model.verdict import Effect
from harness.scenarios.registry import Scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.scenarios.registry import Attack
    from harness.witness.handler import Handler

HERE = re.escape(Path(__file__).name)


def scenario(attack: Attack, prepare: Attack | None = None) -> Scenario:
    return Scenario(
        name="made_up",
        summary="",
        attack=attack,
        effect=Effect.INTEGRITY,
        surface="own",
        answers=(),
        prepare=prepare,
    )


def ended(attack: Attack) -> tuple[AttemptEnd, list[str]]:
    """How the attack ended, and the tracebacks that were kept."""
    kept: list[str] = []
    with local_attacker() as attacker:
        end = attempt(
            scenario(attack),
            attacker,
            cast("Handler", None),
            spared=False,
            failed=lambda error: kept.append(traceback_of(error)),
        )
    return end, kept


def misspelt(attacker: Attacker, _handler: Handler) -> None:
    attacker.opne("/proc")  # type: ignore[attr-defined]


def absent_key(_attacker: Attacker, _handler: Handler) -> None:
    found: dict[str, str] = {}
    found["pid"]


def within_the_harness(attacker: Attacker, _handler: Handler) -> None:
    attacker.syscall("no_such_call")


def in_setup(attacker: Attacker, _handler: Handler) -> None:
    with attacker.setup():
        Path("/absent/file").read_text()


@pytest.mark.parametrize(
    ("attack", "line", "said"),
    [
        (misspelt, 1, "AttributeError: 'Attacker' object has no attribute 'opne'"),
        (absent_key, 2, "KeyError: 'pid'"),
        (within_the_harness, 1, "ValueError: "),
        (in_setup, 2, "FileNotFoundError: "),
    ],
)
def test_the_line_of_the_attack_is_told_and_the_traceback_kept(
    attack: Attack, line: int, said: str
) -> None:
    end, kept = ended(attack)
    assert end.end is End.BROKEN
    at = attack.__code__.co_firstlineno + line
    assert re.match(rf"(set-up: )?{HERE}:{at}: {re.escape(said)}", end.detail)
    (text,) = kept
    assert f'{Path(__file__).name}", line {at}, in {attack.__name__}\n' in text
    assert text.startswith("Traceback (most recent call last):\n") or "\nTraceback (most" in text


def test_a_refused_call_of_the_guest_is_no_error_of_python() -> None:
    def refused(attacker: Attacker, _handler: Handler) -> None:
        with attacker.setup():
            attacker.open("/absent", 0)

    end, kept = ended(refused)
    assert (end.detail, kept) == ("set-up: set-up failed: ENOENT at openat", [])


def test_a_traceback_is_printable() -> None:
    assert traceback_of(ValueError("\x1b[31mred\udc80")) == "ValueError: \\x1b[31mred\\udc80\n"


def test_an_error_from_no_file_of_the_attack_has_no_line() -> None:
    assert described(ValueError("no"), misspelt) == "ValueError: no"


def test_a_preparation_that_fails_is_told_by_its_line_as_well() -> None:
    nothing: Any = None
    plan = CellPlan(nothing, scenario(absent_key, misspelt), nothing, nothing, inapplicable=None)
    trial = Trial(plan, nothing)
    with (
        local_attacker() as attacker,
        pytest.raises(VmLost, match=rf"set-up failed: {HERE}:\d+: AttributeError: 'Attacker'"),
    ):
        trial._prepare(attacker, cast("Handler", None))
    assert "in misspelt\n" in trial.traceback


def test_what_the_user_can_mend_in_a_preparation_ends_the_run() -> None:
    def unprepared(_attacker: Attacker, _handler: Handler) -> None:
        raise UserError("there is no compiler", hint="install gcc")

    nothing: Any = None
    plan = CellPlan(nothing, scenario(absent_key, unprepared), nothing, nothing, inapplicable=None)
    with local_attacker() as attacker, pytest.raises(UserError, match="install gcc"):
        Trial(plan, nothing)._prepare(attacker, cast("Handler", None))
