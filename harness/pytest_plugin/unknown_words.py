# SPDX-License-Identifier: GPL-2.0-only
"""A warning in pytest about each word of -k that matches no test."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.judge.selection import unknown_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from harness.run.request import Request


def warn_of_unknown_words(
    config: pytest.Config, expression: str, items: Iterable[pytest.Item], asked: Request
) -> None:
    """Print the warnings to standard error, as `umd-harness run -k` does.

    A word is known if it matches a cell that can be a test, or a collected test of any kind.
    """
    names = {cell.scenario for cell in asked.cells}
    corpus = replace(asked.corpus, scenarios={name: asked.corpus.scenarios[name] for name in names})
    tests: set[str] = set()
    for item in items:
        tests.update(item.keywords, item.listextrakeywords())
    warnings = unknown_words(corpus, asked.line, expression, also=tests)
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        if warnings and sys.stderr.isatty():
            sys.stderr.write("\n")  # the terminal's line has "collecting ..."
        for warning in warnings:
            sys.stderr.write(f"umd-harness: warning: {warning}\n")
