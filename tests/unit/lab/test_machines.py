# SPDX-License-Identifier: GPL-2.0-only
"""How machines are described, and how a guest is made ready for its cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from boot_images import boot_images
from hand_clock import HandClock
from local_agent import local_attacker

from harness.engines import MICROVM
from harness.host.errors import VmLost
from harness.lab import machines
from harness.lab.machines import Machines, await_final_clock, rehearse, write_settings
from harness.lab.plan import MachinePlan
from harness.scenarios.corpus import SHIPPED
from harness.vm.probe import Accelerator

if TYPE_CHECKING:
    from pathlib import Path

    from harness.witness.reader import Witness
    from harness.witness.tally import WitnessCommand

QEMU = Accelerator("tcg", "for a test")
PLAIN = Machines("6.12", QEMU, MICROVM, kaslr=False, without=())
BASELINE = SHIPPED.variants["baseline"]


@pytest.mark.parametrize(
    ("made_by", "cpus", "boot", "name", "cmdline"),
    [
        (PLAIN, 1, "", "6.12-baseline", "umd_isolation=off"),
        (PLAIN, 2, "", "6.12-baseline-2-cpus", "umd_isolation=off"),
        (PLAIN, 1, "lsm=x", "6.12-baseline-lsm-x", "umd_isolation=off lsm=x"),
        (replace(PLAIN, kaslr=True), 1, "", "6.12-baseline-kaslr", "umd_isolation=off"),
        (
            replace(PLAIN, without=("access", "oom")),
            1,
            "lsm=x",
            "6.12-baseline-lsm-x-without-access-oom",
            "umd_isolation=off lsm=x umd_without=access umd_without=oom",
        ),
    ],
)
def test_another_machine_has_another_name(
    tmp_path: Path, made_by: Machines, cpus: int, boot: str, name: str, cmdline: str
) -> None:
    plan = MachinePlan(BASELINE, boot_images(tmp_path), cpus, boot)
    spec = made_by.spec(plan)
    assert (spec.name, spec.cmdline, spec.cpus) == (name, cmdline, cpus)
    assert spec.kaslr is made_by.kaslr
    assert (spec.kernel_key, spec.guest_key) == ("k1", "g1")


def test_other_settings_make_another_state(tmp_path: Path) -> None:
    images = boot_images(tmp_path)
    plans = [
        MachinePlan(replace(BASELINE, **more), images)
        for more in (
            {},
            {"writes": (("/a", "b"),)},
            {"writes": (("/a", "c"),)},
            {"rehearsed": True},
        )
    ]
    plans.append(replace(plans[-1], inside=True))
    assert [plan.has_backdoor for plan in plans] == [False] * 4 + [True]
    made = [PLAIN.spec(plan).settings for plan in plans]
    assert len(set(made)) == len(made)
    assert made[0] == ""
    assert PLAIN.spec(replace(plans[0], inside=True)).settings == "", "nothing is rehearsed"


@pytest.mark.parametrize("inside", [False, True])
def test_what_happens_around_an_attack_is_rehearsed(*, inside: bool) -> None:
    done: list[str] = []

    class Rehearsed:
        def aftermath(self) -> None:
            done.append("aftermath")

        def obey(self, command: WitnessCommand) -> None:
            done.append(command.name)

    rehearse(cast("Witness", Rehearsed()), inside=inside)
    assert done == ["aftermath", *(["OPEN_BACKDOOR", "aftermath"] if inside else [])]


def test_what_is_written_for_a_variant_has_to_be_taken(tmp_path: Path) -> None:
    control = tmp_path / "control"
    control.touch()
    mine = replace(BASELINE, name="mine", writes=((str(control), "enforce"),))
    absent = replace(mine, writes=((str(tmp_path / "absent/control"), "seal"),))
    with local_attacker() as attacker:
        write_settings(attacker, mine)
        assert control.read_text() == "enforce"
        with pytest.raises(VmLost, match=r"mine: .*/absent/control does not take 'seal'"):
            write_settings(attacker, absent)
        write_settings(attacker, absent, lsm_chosen=True)  # its module may be left out
        refuses = replace(mine, writes=((str(tmp_path), "seal"),))
        with pytest.raises(VmLost, match="does not take 'seal'"):
            write_settings(attacker, refuses, lsm_chosen=True)


def test_a_machine_is_saved_with_the_clock_that_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = tmp_path / "current_clocksource"
    clock.write_text("tsc-early\n")
    monkeypatch.setattr(machines, "CLOCKSOURCE", str(clock))
    sleeps = []

    class Time(HandClock):
        """In the third sleep, the kernel leaves its early clock."""

        def sleep(self, seconds: float) -> None:
            sleeps.append(seconds)
            self.now += seconds
            if len(sleeps) == 3:
                clock.write_text("tsc\n")

    monkeypatch.setattr(machines, "time", Time())
    with local_attacker() as attacker:
        await_final_clock(attacker)
        assert sleeps == [machines.CLOCK_POLL] * 3
        clock.write_text("tsc-early\n")
        monkeypatch.setattr(machines, "BOOT_SECONDS", 0)
        with pytest.raises(VmLost, match="no clock but tsc-early"):
            await_final_clock(attacker)
