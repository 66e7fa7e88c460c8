# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that put another object in the handler's place: reaching it proves nothing."""

from __future__ import annotations

import struct
from errno import ENOENT
from os import O_RDWR
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, overwrite, touch
from forger import NEVER_REACHED

from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.witness.handler import Handler

    Attack = Callable[[Attacker, Handler], None]

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

VARIANTS = ("baseline", "isolated", "kthread")
MS_BIND = 4096
HIDDEN = {"no_target": (ENOENT,), "no_target_at": "mm_access"}


def double(attacker: Attacker) -> int:
    """Start a process that goes by the handler's name, and waits like it; its pid."""
    program = attacker.read_file(attacker.payload("false_handler"))
    attacker.write_file("/umd_witness_umh", program, mode=0o755)
    ends = bytearray(8)
    attacker.syscall("pipe2", ends, 0)
    pid = attacker.spawn("/umd_witness_umh", stdin=struct.unpack("<2i", ends)[0])
    assert attacker.read_file(f"/proc/{pid}/comm") == b"umd_witness_umh\n"
    return pid


def hide_proc(attacker: Attacker) -> None:
    """Mount an empty directory over /proc."""
    attacker.mount("tmpfs", "/proc", "tmpfs")


def forge_proc(attacker: Attacker, handler: Handler) -> None:
    """Mount files of one's own over /proc, the handler's memory among them."""
    pid = handler.pid
    hide_proc(attacker)
    attacker.mkdir(f"/proc/{pid}")
    for name in ("mem", "exe"):
        attacker.write_file(f"/proc/{pid}/{name}", b"", mode=0o600)


def bind_another(attacker: Attacker, handler: Handler) -> None:
    """Mount another process's directory over the handler's."""
    other = attacker.fork()
    attacker.mount(f"/proc/{other}", f"/proc/{handler.pid}", "", MS_BIND)


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_attack_on_a_double_proves_nothing(cells: Cells, variant: str) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        pid = double(attacker)
        assert pid != handler.pid
        attacker.open(f"/proc/{pid}/mem", O_RDWR).close()

    outcome = cells.run(attack, variant)
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, NEVER_REACHED)


@pytest.mark.parametrize(("act", "truth"), [(touch, Verdict.HELD), (overwrite, Verdict.TAMPERED)])
def test_a_double_changes_nothing(cells: Cells, act: Attack, truth: Verdict) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        double(attacker)
        act(attacker, handler)

    assert cells.run(attack).verdict is truth


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_hidden_proc_is_no_refusal(cells: Cells, variant: str) -> None:
    """ENOENT is declared as what finds no target: the kernel was not seen to look for one."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        hide_proc(attacker)
        overwrite(attacker, handler)

    outcome = cells.run(attack, variant, **HIDDEN)
    assert outcome.verdict is Verdict.ERROR
    if variant == "baseline":
        assert "unexpected ENOENT at openat" in outcome.detail
    else:
        assert outcome.detail == NEVER_REACHED


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_forged_proc_is_no_success(cells: Cells, variant: str) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        forge_proc(attacker, handler)
        overwrite(attacker, handler)

    outcome = cells.run(attack, variant)
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, NEVER_REACHED)
    assert str(outcome.attempt_end) == "completed"


@pytest.mark.parametrize("variant", VARIANTS)
def test_another_process_under_the_handlers_number_is_not_the_handler(
    cells: Cells, variant: str
) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        bind_another(attacker, handler)
        attacker.open(f"/proc/{handler.pid}/mem", O_RDWR).close()

    outcome = cells.run(attack, variant)
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, NEVER_REACHED)
    assert str(outcome.attempt_end) == "completed"


def test_what_was_won_stays_won_behind_a_forged_proc(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        overwrite(attacker, handler)
        forge_proc(attacker, handler)

    assert cells.run(attack).verdict is Verdict.TAMPERED
