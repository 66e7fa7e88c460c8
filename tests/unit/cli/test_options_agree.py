# SPDX-License-Identifier: GPL-2.0-only
"""An option means the same in each command that has it."""

from __future__ import annotations

import argparse

from harness.cli.parser import parser

DIFFERENT = {
    "--all": ({"help"}, "each command says what all is"),
    "--bench": ({"help"}, "export quotes the cost, and report draws it"),
    "--format": (
        {"choices", "default", "help"},
        "a command has the formats of its report; run and convert say what the formats are for",
    ),
    "--jobs": ({"help", "default"}, "selftests measure time, so they run one by one"),
    "--matrix": ({"help"}, "bench measures the matrix, the others print it"),
    "--output": (
        {"help", "metavar"},
        "bench measures for minutes, so it prints in any case; merge makes a folder",
    ),
    "--resume": (
        {"default", "help", "metavar", "nargs", "once", "type"},
        "run names a run, and a campaign is named by its seed",
    ),
    "--rounds": ({"help", "default"}, "each command says what it repeats, and how often"),
    "--variant": ({"help", "default", "once"}, "shell boots a variant, and table shows its column"),
    "-k": ({"help"}, "each command says its default: bisect has none, run and repeat add attacks"),
}
"""By option: what may differ between commands, and why."""


def meaning(action: argparse.Action) -> dict[str, object]:
    return {
        "names": tuple(action.option_strings),
        "metavar": action.metavar,
        "type": getattr(action.type, "__name__", action.type),
        "choices": action.choices,
        "default": action.default,
        "once": type(action),
        "nargs": action.nargs,
        "help": action.help,
    }


def options() -> dict[str, dict[str, dict[str, object]]]:
    """The meaning of each option, by its long name and the command."""
    (commands,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    found: dict[str, dict[str, dict[str, object]]] = {}
    for name, command in commands.choices.items():
        for action in command._actions:
            if action.option_strings:
                found.setdefault(action.option_strings[-1], {})[name] = meaning(action)
    return found


def test_an_option_means_the_same_everywhere() -> None:
    for option, meanings in options().items():
        may_differ, _ = DIFFERENT.get(option, (set(), ""))
        (name, first), *others = meanings.items()
        for other, there in others:
            differs = {key for key, value in there.items() if value != first[key]}
            assert differs <= may_differ, f"{option} of {name} and {other}"


def test_a_name_of_an_option_is_that_of_no_other() -> None:
    names = {meanings["names"] for one in options().values() for meanings in one.values()}
    each = [word for words in names if isinstance(words, tuple) for word in words]
    assert len(each) == len(set(each))


def test_what_may_differ_does() -> None:
    for option in DIFFERENT:
        first, *others = options()[option].values()
        assert any(other != first for other in others), option
