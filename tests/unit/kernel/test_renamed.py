# SPDX-License-Identifier: GPL-2.0-only
"""Functions are found by their names in 6.12, whatever a kernel line calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.host.errors import UserError
from harness.kernel.build.images import KernelImage
from harness.kernel.build.renamed import RENAMED, function_address
from harness.scenarios import SCENARIOS
from harness.witness.doors import DOORS

if TYPE_CHECKING:
    from pathlib import Path


def image(folder: Path, *names: str) -> KernelImage:
    lines = (f"{0xFFFFFFFF81000000 + 16 * n:x} T {name}\n" for n, name in enumerate(names))
    (folder / "System.map").write_text("".join(lines))
    return KernelImage("6.1", "k1", folder)


def test_the_name_that_6_12_has_comes_first(tmp_path: Path) -> None:
    kernel = image(tmp_path, "page_idle_get_page", "page_idle_get_folio")
    assert function_address(kernel, "page_idle_get_folio") == 0xFFFFFFFF81000010


def test_a_renamed_function_is_found(tmp_path: Path) -> None:
    kernel = image(tmp_path, "security_file_open", "page_idle_get_page")
    assert function_address(kernel, "page_idle_get_folio") == 0xFFFFFFFF81000010


def test_one_that_was_renamed_twice_is_found(tmp_path: Path) -> None:
    kernel = image(tmp_path, "security_file_open", "fget_task")
    assert function_address(kernel, "task_lookup_fdget_rcu") == 0xFFFFFFFF81000010


@pytest.mark.parametrize("name", ["page_idle_get_folio", "no_such_function"])
def test_what_is_not_there_under_any_name_is_named(tmp_path: Path, name: str) -> None:
    *_, last = (name, *RENAMED.get(name, ()))
    with pytest.raises(UserError, match=f"has no symbol {last}"):
        function_address(image(tmp_path, "security_file_open"), name)


def test_no_name_is_kept_that_nothing_asks_for() -> None:
    asked = {name for one in SCENARIOS.values() for name in (one.reach, one.no_target_at)}
    assert not RENAMED.keys() - asked - set(DOORS)
