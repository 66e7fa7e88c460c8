# SPDX-License-Identifier: GPL-2.0-only
"""The kernel documentation of the series: it parses, and kernel-doc finds what it includes."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from docutils.core import publish_doctree

from harness.host.paths import KERNEL_PATCHES, cache_dir
from harness.kernel.series.lines import DEFAULT_LINE
from harness.kernel.source.tarball import checks_tree, find_source

if TYPE_CHECKING:
    from pathlib import Path

OVERLAY = KERNEL_PATCHES / "overlay"
PAGES = sorted(OVERLAY.glob("Documentation/**/*.rst"))
INCLUDED = re.compile(r"^\.\. kernel-doc:: (\S+)\n(?:   :(\w+):(?: (\w+))?\n)?", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_valid(page: Path) -> None:
    """But for the kernel's own directive, which docutils does not know."""
    settings = {"report_level": 1, "halt_level": 1, "file_insertion_enabled": False}
    publish_doctree(INCLUDED.sub("", page.read_text()), settings_overrides=settings)


def test_kernel_doc_finds_what_the_pages_include() -> None:
    tree = checks_tree(find_source(DEFAULT_LINE, cache=cache_dir()), cache=cache_dir())
    found = [entry for page in PAGES for entry in INCLUDED.findall(page.read_text())]
    assert len(found) == 4
    for name, option, value in found:
        which = {"export": ["-export"], "identifiers": ["-function", value], "": []}[option]
        done = subprocess.run(
            ["perl", str(tree / "scripts/kernel-doc"), "-rst", *which, str(OVERLAY / name)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ".. c:" in done.stdout, name
        assert ": warning:" not in done.stderr, done.stderr
