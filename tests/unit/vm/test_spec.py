# SPDX-License-Identifier: GPL-2.0-only
"""A machine that counts instructions has QEMU count them, and a kernel that copies evenly."""

from __future__ import annotations

from dataclasses import replace

from plain_machine import PLAIN

from harness.vm.spec import WITHOUT_STRINGS


def test_a_machine_counts_instructions_only_if_it_is_told_to() -> None:
    counts = replace(PLAIN, counts=True)
    assert "-icount" in counts.arguments()
    assert WITHOUT_STRINGS in counts.append.split()
    assert "-icount" not in PLAIN.arguments()
    assert WITHOUT_STRINGS not in PLAIN.append.split()
