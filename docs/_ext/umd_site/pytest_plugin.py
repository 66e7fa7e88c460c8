# SPDX-License-Identifier: GPL-2.0-only
"""What the pytest plugin brings, from the plugin itself: its fixtures, options and settings."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from harness.pytest_plugin import plugin
from harness.pytest_plugin.settings import SETTINGS
from umd_site.text import code, prose, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIXTURES = {
    "scenario_cell": plugin.pytest_generate_tests,
    "scenario_results": plugin.scenario_results,
    "umd_guest": plugin.umd_guest,
}
"""Each name that a test may take as an argument, and the function that describes it."""


def tables() -> str:
    """Return the fixtures, and the options with their settings, each with its description."""
    parts = ["## Fixtures", *_fixtures(), "## Options and settings", "```{program} pytest\n```"]
    for name, setting in SETTINGS.items():
        spelt = f"{setting.option} {setting.metavar}".rstrip()
        told = f"{sentence(setting.help)} Setting: {code(name)}."
        parts.append(f"```{{option}} {spelt}\n{told}\n```")
    return "\n\n".join(parts) + "\n"


def _fixtures() -> Iterator[str]:
    for name, described in _FIXTURES.items():
        paragraphs = inspect.cleandoc(described.__doc__ or "").split("\n\n")
        yield f"{code(name)}\n: " + "\n\n  ".join(map(prose, paragraphs))
