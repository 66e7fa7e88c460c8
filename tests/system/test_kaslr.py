# SPDX-License-Identifier: GPL-2.0-only
"""With KASLR the host finds the kernel, and data that root forges later changes nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from os import O_RDWR
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, overwrite

from harness.attacker import Attacker, Channel
from harness.host.errors import VmLost
from harness.model.cell import Cell
from harness.model.verdict import Verdict
from harness.vm import kaslr
from harness.vm.machine import Machine
from harness.vm.states import saved_state
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from harness.lab.lab import Lab
    from harness.witness.handler import Handler

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

VARIANT = "baseline"
FORGED = 0x1230000


@pytest.fixture
def moved(lab: Lab) -> Lab:
    """The lab with KASLR on."""
    return replace(lab, kaslr=True)


def place(lab: Lab, machine: Machine) -> int:
    """The machine's load offset, once its kernel and its witness were seen there."""
    banner = lab.image.physical("linux_banner") + machine.load_offset
    with machine.paused():
        assert machine.read(banner, 13) == b"Linux version"
    assert Witness(machine, lab.image).read().count.right > 0
    return machine.load_offset


def forge_note(attacker: Attacker) -> None:
    """Write another place for the kernel into the note that it gave to QEMU."""
    where, size = (int(word, 16) for word in attacker.read_file("/sys/kernel/vmcoreinfo").split())
    with attacker.open("/dev/mem", O_RDWR) as mem:
        note = mem.pread(size, where)
        for key, digits in ((b"KERNELOFFSET=", "x"), (b"NUMBER(phys_base)=", "d")):
            old = re.search(re.escape(key) + b"[^\n]+", note)
            assert old is not None
            # As long as it was: what follows in the note stays where it is.
            value = format(FORGED // 2, digits).zfill(len(old[0]) - len(key)).encode()
            note = note.replace(old[0], key + value[-(len(old[0]) - len(key)) :])
        mem.pwrite(note, where)


def test_each_boot_has_another_place(moved: Lab) -> None:
    offsets = []
    for _ in range(3):
        with moved.machine(VARIANT, fresh=True) as machine:
            offsets.append(place(moved, machine))
    # Where it was linked to run is one of the places; about 100 are in the guest's memory.
    assert len(set(offsets)) > 1


def test_without_kaslr_nothing_moves(lab: Lab) -> None:
    with lab.machine(VARIANT, fresh=True) as machine:
        assert place(lab, machine) == 0


@pytest.mark.parametrize("fresh", [True, False], ids=["booted", "restored"])
def test_the_verdicts_are_the_same(moved: Lab, fresh: bool) -> None:
    """`host_tamper` also shows that the host finds the handler's own memory."""
    expected = {
        "nothing": Verdict.HELD,
        "host_tamper": Verdict.TAMPERED,
        "proc_mem_write": Verdict.TAMPERED,
        "kill_family": Verdict.DISRUPTED,
    }
    found = {
        name: moved.run(Cell(moved.line, VARIANT, name), fresh=fresh).verdict for name in expected
    }
    assert found == expected


def test_a_restored_kernel_is_where_it_was_saved(moved: Lab) -> None:
    for _ in range(2):
        with moved.machine(VARIANT) as machine:
            offset = place(moved, machine)
            # What the kernel itself says, which is the host's word for it only at boot.
            note = kaslr.vmcoreinfo(machine.notes())
            assert note is not None
            assert kaslr.placement(note).load_offset == offset


def test_a_note_forged_later_changes_nothing(cells: Cells, moved: Lab) -> None:
    with moved.machine(VARIANT) as machine:
        offset = place(moved, machine)
        with Channel(machine.agent_socket()) as channel:
            forge_note(Attacker(channel, moved.guest))
        forged = kaslr.vmcoreinfo(machine.notes())
        # The forgery is one: whoever asked QEMU now would be led astray.
        assert forged is not None
        assert kaslr.placement(forged).load_offset != offset
        assert place(moved, machine) == offset
    with moved.machine(VARIANT) as machine:
        assert place(moved, machine) == offset

    def attack(attacker: Attacker, handler: Handler) -> None:
        forge_note(attacker)
        overwrite(attacker, handler)

    assert replace(cells, lab=moved).run(attack).verdict is Verdict.TAMPERED


def test_a_kernel_that_gives_no_note_is_one_clear_error(
    moved: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kaslr, "NOTE_SECONDS", 8.0)
    spec = moved.spec(VARIANT)
    mute = replace(spec, cmdline=f"{spec.cmdline} initcall_blacklist=fw_cfg_sysfs_init")
    with (
        pytest.raises(VmLost, match=r"no vmcoreinfo note in 8 s.*needs CONFIG_FW_CFG_SYSFS"),
        Machine.boot(mute, moved.accelerator) as machine,
    ):
        pytest.fail(f"found at {machine.load_offset:#x}")


@pytest.mark.parametrize("damage", ["{}", "[]", '{"load_offset": null}', "\0"])
def test_a_state_without_its_place_is_a_lost_machine(
    moved: Lab,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    damage: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "kaslr-cache"))
    spec = moved.spec(VARIANT)
    state = saved_state(spec, moved.accelerator, ready=lambda _: None)
    whole = (state.directory / "placement.json").read_text()
    (state.directory / "placement.json").write_text(damage)
    try:
        with (
            pytest.raises(VmLost, match="does not say where the kernel is"),
            Machine.restore(spec, moved.accelerator, state),
        ):
            pass
    finally:
        (state.directory / "placement.json").write_text(whole)
