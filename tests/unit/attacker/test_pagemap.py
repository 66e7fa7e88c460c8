# SPDX-License-Identifier: GPL-2.0-only
"""The pagemap of the agent's own memory, whose arena has a fixed address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from local_agent import local_attacker

from harness.attacker import Attacker, GuestError
from harness.attacker.agent.protocol import ARENA
from harness.attacker.tools.pagemap import PAGE, PAGE_IS_PRESENT, page_frame, scan

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_IS_SWAPPED = 1 << 4


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    with local_attacker() as attacker:
        yield attacker


def test_a_scan_finds_a_page_that_is_there(attacker: Attacker) -> None:
    pid = attacker.getpid()
    assert scan(attacker, pid, ARENA, ARENA + PAGE, PAGE_IS_PRESENT) == (ARENA, ARENA + PAGE)


def test_a_scan_finds_nothing_of_another_category(attacker: Attacker) -> None:
    pid = attacker.getpid()
    assert scan(attacker, pid, ARENA, ARENA + PAGE, PAGE_IS_SWAPPED) == (0, 0)


def test_there_is_no_frame_where_nothing_is_mapped(attacker: Attacker) -> None:
    assert page_frame(attacker, attacker.getpid(), PAGE) == 0


def test_a_missing_process_is_enoent_at_openat(attacker: Attacker) -> None:
    with pytest.raises(GuestError, match="ENOENT at openat"):
        page_frame(attacker, 2**22 + 1, ARENA)
