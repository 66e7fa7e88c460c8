# SPDX-License-Identifier: GPL-2.0-only
"""The files and folders that README, CONTRIBUTING, SECURITY and the explanations name are there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from harness.host.paths import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = (
    *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((CHECKOUT / "docs/explanation").glob("*.md")),
)
NAMED = re.compile(r"`((?:harness|tests|kernel-patches|guest-images)/[\w./-]*)`")
OVERLAY = CHECKOUT / "kernel-patches" / "overlay"
IN_THE_TREE = re.compile(r"`((?:kernel/umd|include/linux/umd)[\w./-]*)`")


def missing(text: str) -> set[str]:
    """The paths that a text names and that are not there."""
    named = {(CHECKOUT, name) for name in NAMED.findall(text)}
    named |= {(OVERLAY, name) for name in IN_THE_TREE.findall(text)}
    return {name for top, name in named if not (top / name).exists()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    assert missing(page.read_text()) == set()


def test_a_path_that_is_not_there_is_seen() -> None:
    text = "See `harness/model/variants.py`, `harness/gone.py` and `kernel/umd_witness/gone.c`."
    assert missing(text) == {"harness/gone.py", "kernel/umd_witness/gone.c"}
