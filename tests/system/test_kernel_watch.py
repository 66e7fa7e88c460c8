# SPDX-License-Identifier: GPL-2.0-only
"""QEMU counts what the guest's kernel runs, and what is counted decides the verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, overwrite, touch

from harness.attacker import Attacker, Channel
from harness.host.errors import VmLost
from harness.kernel.build.signing import unsigned
from harness.lab.by_hand import guests
from harness.lab.trial import aftermath
from harness.model.verdict import Verdict
from harness.vm.machine import Machine
from harness.vm.states import saved_state
from harness.witness.cell_verdict import TAKEN_OVER
from harness.witness.doors import kernel_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.lab.lab import Lab
    from harness.witness.handler import Handler
    from harness.witness.reader import Witness

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

VARIANT = "baseline"
MODULE = "/lib/modules/sample_mgr.ko"


def iopl(attacker: Attacker, handler: Handler) -> None:
    """Open the ports of all devices, and use none."""
    touch(attacker, handler)
    attacker.syscall("iopl", 3)


def load_module(attacker: Attacker, handler: Handler) -> None:
    """Load a module without its signature."""
    touch(attacker, handler)
    module = unsigned(attacker.read_file(MODULE))
    attacker.syscall("init_module", module, len(module), "")


def test_honest_work_counts_nothing(machine: Machine, witness: Witness) -> None:
    """The aftermath loads the loader, which is signed."""
    before = kernel_calls(machine)
    _, ended = aftermath(witness)
    assert ended
    assert kernel_calls(machine).since(before) == {}
    assert kernel_calls(machine).foreign == 0


@pytest.mark.parametrize(
    ("attack", "way"), [(iopl, "native_tss_update_io_bitmap"), (load_module, "add_taint_module")]
)
def test_a_way_into_the_kernel_leaves_no_conclusion(
    cells: Cells, attack: Callable[[Attacker, Handler], None], way: str
) -> None:
    outcome = cells.run(attack)
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, f"{TAKEN_OVER}: {way}")


def test_a_declared_way_is_let_pass(cells: Cells) -> None:
    assert cells.run(load_module, passes=("add_taint_module",)).verdict is Verdict.HELD
    assert cells.run(load_module, passes=("klp_enable_patch",)).verdict is Verdict.ERROR


def test_a_tampered_handler_is_told_all_the_same(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        overwrite(attacker, handler)
        load_module(attacker, handler)

    assert cells.run(attack).verdict is Verdict.TAMPERED


def test_a_test_by_hand_concludes_alike() -> None:
    with guests() as make:
        guest = make(VARIANT)
        load_module(guest.attacker, guest.handler)
        concluded = guest.conclude()
    assert concluded.verdict is Verdict.ERROR
    assert concluded.detail == f"{TAKEN_OVER}: add_taint_module"


@pytest.mark.parametrize("fresh", [True, False])
def test_calls_are_counted_wherever_the_kernel_is(lab: Lab, *, fresh: bool) -> None:
    moved = replace(lab, kaslr=True)
    with moved.machine(VARIANT, fresh=fresh) as machine:
        before = kernel_calls(machine)
        with Channel(machine.agent_socket()) as channel:
            Attacker(channel, lab.guest).syscall("iopl", 3)
        assert [*kernel_calls(machine).since(before)] == ["native_tss_update_io_bitmap"]


def test_code_outside_of_the_known_ranges_is_counted(lab: Lab) -> None:
    spec = lab.spec(VARIANT)
    state = saved_state(spec, lab.accelerator, ready=lambda _: None)
    assert spec.watched is not None
    unknown = replace(spec, watched=replace(spec.watched, text=()))
    with Machine.restore(unknown, lab.accelerator, state) as machine:
        with Channel(machine.agent_socket()) as channel:
            Attacker(channel, lab.guest).getpid()
        seen = kernel_calls(machine)
    assert seen.foreign > 0
    (start, end), _ = spec.watched.text
    assert start <= seen.foreign_at < end


def test_a_machine_without_a_watch_is_lost(lab: Lab) -> None:
    spec = replace(lab.spec(VARIANT), watched=None)
    state = saved_state(spec, lab.accelerator, ready=lambda _: None)
    with (
        pytest.raises(VmLost, match="nothing watches this machine's kernel"),
        Machine.restore(spec, lab.accelerator, state) as machine,
    ):
        kernel_calls(machine)
