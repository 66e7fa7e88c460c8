# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of a cell whose machine the host let stand still, or that its attack ended."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from threading import Timer
from typing import TYPE_CHECKING

import pytest
from local_agent import local_attacker
from scripted_lab import outcome

from harness.engines import ENGINES
from harness.guests.initramfs import GuestImage
from harness.host.errors import Silent, UserError, VmLost
from harness.kernel.build.images import KernelImage
from harness.lab import lab as lab_module
from harness.lab.lab import CALM_TRIES, Images, Lab, _check_needs, _ended, _lacks, _settle, _write
from harness.model.cell import LACKING, Cell, Outcome
from harness.model.variants import VARIANTS
from harness.model.verdict import Axes, Verdict
from harness.scenarios import SCENARIOS, Scenario
from harness.scenarios.corpus import SHIPPED, Corpus
from harness.vm.probe import Accelerator
from harness.witness.conclude import STOOD_STILL

if TYPE_CHECKING:
    from pathlib import Path

    from harness.engines.engine import Engine
    from harness.lab.vmcore import Dump

CELL = Cell("6.12", "isolated", "proc_mem_write")
STILL = outcome(Verdict.ERROR, f"{STOOD_STILL} for 0.9 s: 1 failed (ETIMEDOUT)")
HELD = outcome(Verdict.HELD)


@dataclass(frozen=True)
class Scripted(Lab):
    """A lab whose machines give what the script says, in turn."""

    script: list[Outcome] = field(default_factory=list)

    def _run(self, cell: Cell, *, fresh: bool, dump: Dump) -> Outcome:
        assert (cell, fresh, dump.path) == (CELL, False, None)
        return self.script.pop(0)


def lab(*script: Outcome) -> Scripted:
    return Scripted("6.12", {}, Accelerator("tcg", "for a test"), script=list(script))


@pytest.mark.parametrize("stalls", range(CALM_TRIES))
def test_a_cell_that_stood_still_is_run_again(stalls: int) -> None:
    assert lab(*[STILL] * stalls, HELD).run(CELL) == HELD


def test_one_that_never_comes_to_a_conclusion_is_an_error() -> None:
    scripted = lab(*[STILL] * CALM_TRIES, HELD)
    assert scripted.run(CELL) == STILL
    assert scripted.script == [HELD]


@pytest.mark.parametrize(
    "other", [outcome(Verdict.ERROR, "the guest reset itself"), outcome(Verdict.DISRUPTED, "late")]
)
def test_no_other_outcome_gets_a_second_chance(other: Outcome) -> None:
    assert lab(other, HELD).run(CELL) == other


@pytest.mark.parametrize(
    "lost", [VmLost("the guest reset itself", by_guest=True), Silent("no reply", alive=False)]
)
def test_an_attack_that_was_to_end_the_machine_has_won_when_the_guest_ended_it(
    lost: VmLost,
) -> None:
    ended = _ended(lost)
    assert (ended["verdict"], ended["axes"]) == (Verdict.DISRUPTED, Axes(availability=True))
    assert ended["witness"], "a verdict rests on something"


@pytest.mark.parametrize(
    "lost", [VmLost("QEMU was killed by SIGKILL"), Silent("no reply in time", alive=True)]
)
def test_it_has_not_when_the_machine_was_lost_for_another_reason(lost: VmLost) -> None:
    assert not _ended(lost)


@pytest.mark.parametrize(
    ("needs", "since", "before", "lacking"),
    [
        ((), "", "", ""),
        (("SMP",), "6.1", "6.2", ""),
        ((), "6.7", "", "it takes Linux 6.7 or later"),
        ((), "", "6.1", "it takes a Linux before 6.1"),
        (("DAMON",), "", "", "this kernel lacks DAMON"),
        (("!SMP",), "5.4", "", "this kernel lacks !SMP"),
    ],
)
def test_what_an_attack_lacks(
    tmp_path: Path, needs: tuple[str, ...], since: str, before: str, lacking: str
) -> None:
    image = KernelImage("6.1", "k1", tmp_path)
    image.config.write_text("# Linux/x86 6.1.192 Kernel Configuration\nCONFIG_SMP=y\n")
    attack = replace(SCENARIOS["proc_mem_write"], needs=needs, since=since, before=before)
    assert _lacks(attack, image) == lacking


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)
def test_what_an_engine_cannot_run_is_not_tried(tmp_path: Path, engine: Engine) -> None:
    image = KernelImage("6.12", "k1", tmp_path)
    image.config.write_text("# Linux/x86 6.12.94 Kernel Configuration\n")
    images = Images(image, GuestImage("g1", tmp_path, tmp_path))
    opened = replace(lab(), flavours={"": images}, engine=engine)
    thawed = opened.lacking(Cell("6.12", "baseline", "proc_mem_write"))
    frozen = opened.lacking(Cell("6.12", "baseline", "dev_snapshot_freeze"))
    assert not thawed
    assert ("it freezes sshd as well" in frozen) == (engine.name == "image")
    diskless = opened.lacking(Cell("6.12", "baseline", "swap_file_read"))
    assert ("no file system on a disk" in diskless) == (engine.name != "image")


def test_a_kernel_without_what_a_variant_needs_is_refused(tmp_path: Path) -> None:
    image = KernelImage("6.12", "k1", tmp_path)
    image.config.write_text("CONFIG_SECURITY_SMACK=y\n")
    for needs, refused in ((("SECURITY_SMACK",), False), (("SECURITY_MINE",), True)):
        variant = replace(VARIANTS["baseline"], name="mine", needs=needs)
        told = pytest.raises(UserError, match="mine: this kernel has no CONFIG_SECURITY_MINE")
        with told if refused else nullcontext():
            _check_needs(image, [variant])


def test_what_is_written_for_a_variant_has_to_be_taken(tmp_path: Path) -> None:
    control = tmp_path / "control"
    control.touch()
    with local_attacker() as attacker:
        _write(attacker, str(control), "enforce", "mine")
        assert control.read_text() == "enforce"
        with pytest.raises(UserError, match=r"mine: .*/absent/control does not take 'seal'"):
            _write(attacker, str(tmp_path / "absent/control"), "seal", "mine")


def foreign(folder: Path, *functions: str, is_foreign: bool = True) -> Lab:
    """A lab of a kernel with these functions; there is nothing that could boot it."""
    lines = (f"{0xFFFFFFFF81000000 + 16 * n:x} T {name}\n" for n, name in enumerate(functions))
    (folder / "System.map").write_text("".join(lines))
    image = KernelImage("linux", "k1", folder)
    image.config.write_text("# Linux/x86 6.6.1 Kernel Configuration\n")
    images = Images(image, GuestImage("g1", folder / "initramfs", folder))
    qemu = Accelerator("tcg", "for a test")
    return Lab("linux", {"": images}, qemu, is_foreign=is_foreign)


def test_a_foreign_kernel_may_lack_the_function_that_proves_arrival(tmp_path: Path) -> None:
    attack = SCENARIOS["proc_mem_write"]
    given = foreign(tmp_path, str(attack.no_target_at)).run(CELL)
    assert (given.verdict, given.attempt_end) == (Verdict.NOT_APPLICABLE, LACKING)
    assert given.detail == f"this kernel has no function {attack.reach}"


def with_attack(attack: Scenario) -> Corpus:
    """The corpus with another attack of that name."""
    return replace(SHIPPED, scenarios={**SCENARIOS, attack.name: attack})


@pytest.mark.parametrize(("is_foreign", "origin"), [(False, ()), (True, ("--scenario", "mine.py"))])
def test_a_function_that_is_not_there_is_not_excused_where_its_name_may_be_wrong(
    tmp_path: Path, is_foreign: bool, origin: tuple[str, ...]
) -> None:
    attack = replace(SCENARIOS["proc_mem_write"], reach="misspelt", origin=origin)
    lab = foreign(tmp_path, "security_file_open", is_foreign=is_foreign)
    lab = replace(lab, corpus=with_attack(attack))
    assert not lab.lacking(CELL), "it is tried, and ends in an error"


def test_a_foreign_kernel_that_has_it_by_another_name_is_attacked(tmp_path: Path) -> None:
    attack = replace(SCENARIOS["proc_mem_write"], reach="page_idle_get_folio", no_target_at=None)
    corpus = with_attack(attack)
    assert not replace(foreign(tmp_path, "page_idle_get_page"), corpus=corpus).lacking(CELL)
    assert replace(foreign(tmp_path, "security_file_open"), corpus=corpus).lacking(CELL)


def test_a_machine_is_saved_with_the_clock_that_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = tmp_path / "current_clocksource"
    clock.write_text("tsc-early\n")
    monkeypatch.setattr(lab_module, "CLOCKSOURCE", str(clock))
    with local_attacker() as attacker:
        start = time.monotonic()
        Timer(0.3, clock.write_text, ["tsc\n"]).start()
        _settle(attacker)
        assert time.monotonic() - start >= 0.3
        clock.write_text("tsc-early\n")
        monkeypatch.setattr(lab_module, "BOOT_SECONDS", 0)
        with pytest.raises(VmLost, match="no clock but tsc-early"):
            _settle(attacker)
