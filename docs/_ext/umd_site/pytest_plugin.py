# SPDX-License-Identifier: GPL-2.0-only
"""What the pytest plugin brings, from the plugin itself: fixtures, options and settings."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast

from harness.pytest_plugin import plugin
from umd_site.text import code, prose, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

_FIXTURES = {
    "scenario_cell": plugin.pytest_generate_tests,
    "scenario_results": plugin.scenario_results,
    "umd_guest": plugin.umd_guest,
}
"""Each name that a test may take as an argument, and the function that describes it."""


class _Declared:
    """Takes the place of pytest's parser, and remembers what the plugin declares."""

    def __init__(self) -> None:
        self.options: dict[str, dict[str, Any]] = {}
        self.settings: dict[str, str] = {}

    def getgroup(self, _name: str) -> _Declared:
        return self

    def addoption(self, name: str, **declared: Any) -> None:
        self.options[name] = declared

    def addini(self, name: str, text: str, **_declared: Any) -> None:
        self.settings[name] = text


def declared() -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the plugin's options and settings, each by its name."""
    found = _Declared()
    plugin.pytest_addoption(cast("pytest.Parser", found))
    return found.options, found.settings


def tables() -> str:
    """Return the fixtures, the options and the settings, each with its description."""
    options, settings = declared()
    parts = ["## Fixtures", *_fixtures(), "## Options", "```{program} pytest\n```"]
    for name, option in options.items():
        parts.append(f"```{{option}} {name} {option['metavar']}\n{sentence(option['help'])}\n```")
    parts.append("## Settings")
    parts += [f"{code(name)}\n: {sentence(text)}" for name, text in settings.items()]
    return "\n\n".join(parts) + "\n"


def _fixtures() -> Iterator[str]:
    for name, described in _FIXTURES.items():
        paragraphs = inspect.cleandoc(described.__doc__ or "").split("\n\n")
        yield f"{code(name)}\n: " + "\n\n  ".join(map(prose, paragraphs))
