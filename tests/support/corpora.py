# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures that let a test change the registry, or have one that does not grow."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import small_corpus

from harness.model.variants import VARIANTS
from harness.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _given_back() -> Iterator[None]:
    """Give the registry back as it was."""
    scenarios, variants = dict(SCENARIOS), dict(VARIANTS)
    try:
        yield
    finally:
        SCENARIOS.clear()
        SCENARIOS.update(scenarios)
        VARIANTS.clear()
        VARIANTS.update(variants)


@pytest.fixture
def registry() -> Iterator[None]:
    """The whole corpus, to be changed."""
    with _given_back():
        yield


@pytest.fixture
def small() -> Iterator[None]:
    """The small corpus, to be changed."""
    with _given_back():
        small_corpus.keep()
        yield
