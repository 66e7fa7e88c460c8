# SPDX-License-Identifier: GPL-2.0-only
"""Checks of what a scenario declares: the form of each field, cited ids, the attack function."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from harness.host.errors import UserError
from harness.host.suggestion import hint_for
from harness.model.hole import Hole
from harness.model.verdict import Effect
from harness.scenarios.ids import ANSWERS, OWN, REFERENCE, class_of_row

if TYPE_CHECKING:
    from dataclasses import Field

    Check = Callable[[object], bool]

TARGETS = ("handler", "start", "system")

_MAX_ERRNO = 4095
_VERSION = re.compile(r"(\d+(\.\d+)*)?")


def check_arguments(
    known: Iterable[Field[Any]], args: tuple[Any, ...], given: Iterable[str]
) -> None:
    """Raise UserError if these are not the arguments of `@scenario`."""
    if args:
        raise UserError(
            "@scenario takes named fields alone",
            hint='write @scenario(effect=Effect.INTEGRITY, surface="own", answers=())',
        )
    names = {field.name: field.default is field.default_factory is MISSING for field in known}
    for name in given:
        if name not in names:
            raise UserError(
                f"a scenario has no field {name!r}",
                hint=hint_for(name, names, otherwise=f"the fields are {', '.join(names)}"),
            )
    if missing := [name for name, is_needed in names.items() if is_needed and name not in given]:
        raise UserError(
            f"the scenario does not declare {', '.join(missing)}",
            hint="a scenario needs effect, surface and answers",
        )


def check_declaration(name: str, declared: Any) -> None:
    """Raise UserError for a field of a wrong form, or an id that is not there."""
    for field in fields(declared):
        value = getattr(declared, field.name)
        fits, form = FORMS[field.name]
        if not fits(value):
            raise UserError(
                f"scenario {name}: {field.name}={_shown(value)} is not {form}",
                hint=_effect_hint(value) or f"give {field.name} {form}",
            )
    _check_id(name, "surface", declared.surface, {*class_of_row(), OWN, REFERENCE})
    for answer in declared.answers:
        _check_id(name, "answers", answer, ANSWERS)


def check_attack(name: str, attack: Any) -> None:
    """Raise UserError for what the harness cannot call as an attack."""
    if not inspect.isfunction(attack):
        raise UserError(f"{name} is not a function", hint="decorate a function with @scenario(...)")
    if not _takes_two(attack):
        raise UserError(
            f"scenario {name}: an attack takes two arguments, not {inspect.signature(attack)}",
            hint=f"write def {name}(attacker, handler):",
        )
    if inspect.iscoroutinefunction(attack) or inspect.isgeneratorfunction(attack):
        raise UserError(
            f"scenario {name}: an attack is no coroutine and no generator",
            hint="write it as a plain function, without async and yield",
        )
    if not (attack.__doc__ or "").strip():
        raise UserError(
            f"scenario {name} has no docstring", hint="add one: the matrix prints its first line"
        )


def _check_id(name: str, field: str, value: str, known: Iterable[str]) -> None:
    where = {
        "surface": f"an id of harness/scenarios/surface.toml, or {OWN!r}",
        "answers": "ids of docs/reference/requirements.md",
    }[field]
    if value not in known:
        near = get_close_matches(value, known, n=1)
        raise UserError(
            f"scenario {name}: {field} has the unknown id {value!r}",
            hint=f"did you mean {near[0]!r}?" if near else f"take {where}",
        )


def _effect_hint(value: object) -> str:
    if isinstance(value, str) and value.upper() in Effect.__members__:
        return f"write Effect.{value.upper()}"
    return ""


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def _takes_two(value: object) -> bool:
    if not callable(value):
        return False
    try:
        inspect.signature(value).bind(None, None)
    except (TypeError, ValueError):
        return False
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_errno(value: object) -> bool:
    return type(value) is int and 0 < value <= _MAX_ERRNO


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 1


def _is_time(value: object) -> bool:
    return type(value) in (int, float) and value > 0  # type: ignore[operator]


def _is_version(value: object) -> bool:
    return isinstance(value, str) and bool(_VERSION.fullmatch(value))


def _is_effect(value: object) -> bool:
    return isinstance(value, Effect)


def _is_hole(value: object) -> bool:
    return isinstance(value, Hole) and (not value.since or _is_version(value.since))


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _each(check: Check) -> Check:
    return lambda value: isinstance(value, tuple) and all(map(check, value))


def _by_name(check: Check) -> Check:
    return lambda value: (
        isinstance(value, Mapping) and all(map(_is_text, value)) and all(map(check, value.values()))
    )


_TEXT = (_is_text, "a text")
_NAME = (_or_none(_is_text), "a name or None")
_NAMES = (_each(_is_text), 'a tuple of texts, such as ("C2",)')
_ERRNOS = (_each(_is_errno), "a tuple of errnos, such as (EPERM,)")
_VERSION_TEXT = (_is_version, 'a version of Linux, such as "6.7"')
_COUNT = (_is_count, "a whole number from 1 on")
_SWITCH = (_is_switch, "True or False")
_REASONS = (_by_name(_is_text), "a dictionary of variants and reasons")

FORMS: Mapping[str, tuple[Check, str]] = {
    "effect": (_is_effect, "an Effect, such as Effect.INTEGRITY"),
    "surface": _TEXT,
    "answers": _NAMES,
    "also": (_each(_is_effect), "a tuple of effects, such as (Effect.AVAILABILITY,)"),
    "shows": _TEXT,
    "control": _TEXT,
    "call": _NAME,
    "refused": _ERRNOS,
    "no_target": _ERRNOS,
    "no_target_at": _NAME,
    "reach": _NAME,
    "through": _TEXT,
    "target": (lambda value: value in TARGETS, f"one of {', '.join(TARGETS)}"),
    "tries": _COUNT,
    "needs": _NAMES,
    "since": _VERSION_TEXT,
    "before": _VERSION_TEXT,
    "cpus": _COUNT,
    "boot": _TEXT,
    "ends_machine": _SWITCH,
    "freezes": _SWITCH,
    "pauses": _SWITCH,
    "on_disk": _SWITCH,
    "debugging": (_or_none(_is_switch), "True, False or None"),
    "from_host": _SWITCH,
    "inside": _SWITCH,
    "whole_kernel": _SWITCH,
    "passes": _NAMES,
    "lockdown": (_by_name(_is_errno), "a dictionary of calls and errnos"),
    "holes": (
        _by_name(_is_hole),
        "a dictionary of variants and holes (Hole), whose since is a version of Linux or empty",
    ),
    "denied_by": _REASONS,
    "not_applicable": _REASONS,
    "seconds": (_is_time, "a number of seconds above 0"),
    "prepare": (_or_none(_takes_two), "a function of (attacker, handler), or None"),
    "files": _NAMES,
}
"""For each field of a declaration: the check of its value, and the form in words."""
