# SPDX-License-Identifier: GPL-2.0-only
"""Which defences a variant has, by its boot parameters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.variants import VARIANTS

ISOLATED = VARIANTS["isolated"]


@pytest.mark.parametrize(
    ("more", "there"),
    [
        ("", True),
        ("umd_without=access", True),
        ("umd_without=access umd_without=pages", False),
        ("umd_only=access,pages", True),
        ("umd_only=access,locked", False),
        ("umd_only=access,pages umd_without=pages", False),
    ],
)
def test_a_defence_is_on_unless_boot_parameters_leave_it_out(more: str, there: bool) -> None:
    """A host that took the pages of a handler for pinned would call a move a contradiction."""
    variant = replace(ISOLATED, cmdline=f"{ISOLATED.cmdline} {more}")
    assert variant.has_defence("pages") is there


def test_a_policy_of_a_user_that_protects_has_no_defence_of_ours() -> None:
    assert not replace(VARIANTS["baseline"], protects=True).has_defence("pages")


def test_only_our_isolation_and_a_thread_are_defended() -> None:
    there = {name for name, variant in VARIANTS.items() if variant.has_defence("pages")}
    assert there == {"isolated", "isolated-debug", "isolated-lockdown", "kthread"}
