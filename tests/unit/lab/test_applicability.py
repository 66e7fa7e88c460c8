# SPDX-License-Identifier: GPL-2.0-only
"""What a cell lacks of its variant, its kernel or its engine, so that it is `n/a`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from boot_images import boot_images

from harness.engines import ENGINES, MICROVM
from harness.lab.applicability import Inapplicable, inapplicable, lacks_of_engine, lacks_of_kernel
from harness.lab.lab import Lab
from harness.model.attempt_end import AttemptEnd, End
from harness.model.cell import Cell
from harness.model.verdict import Verdict
from harness.scenarios.corpus import SHIPPED
from harness.vm.probe import Accelerator

if TYPE_CHECKING:
    from pathlib import Path

    from harness.engines.engine import Engine
    from harness.scenarios.registry import Scenario

ATTACK = SHIPPED.scenarios["proc_mem_write"]


@pytest.mark.parametrize(
    ("needs", "since", "before", "lacking"),
    [
        ((), "", "", ""),
        (("SMP",), "6.1", "6.2", ""),
        ((), "6.7", "", "it needs Linux 6.7 or later"),
        ((), "", "6.1", "it needs Linux before 6.1"),
        (("DAMON",), "", "", "this kernel lacks DAMON"),
        (("!SMP",), "5.4", "", "this kernel lacks !SMP"),
    ],
)
def test_what_an_attack_lacks_of_its_kernel(
    tmp_path: Path, needs: tuple[str, ...], since: str, before: str, lacking: str
) -> None:
    kernel = boot_images(tmp_path, "SMP", version="6.1.192").kernel
    attack = replace(ATTACK, needs=needs, since=since, before=before)
    assert lacks_of_kernel(attack, kernel) == lacking
    why = inapplicable(attack, SHIPPED.variants["isolated"], kernel, MICROVM, is_foreign=False)
    assert why == (Inapplicable(lacking, End.LACKING) if lacking else None)


@pytest.mark.parametrize(("version", "lacking"), [("6.1.192", True), ("6.12.1", False)])
def test_a_policy_is_not_tried_on_an_older_kernel(
    tmp_path: Path, version: str, lacking: bool
) -> None:
    kernel = boot_images(tmp_path, version=version).kernel
    why = inapplicable(ATTACK, SHIPPED.variants["bpf-lsm"], kernel, MICROVM, is_foreign=False)
    reason = Inapplicable("the policy needs Linux 6.3 or later", End.LACKING)
    assert why == (reason if lacking else None)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)
def test_what_an_engine_cannot_run_is_not_tried(tmp_path: Path, engine: Engine) -> None:
    assert not lacks_of_engine(ATTACK, engine)
    frozen = lacks_of_engine(SHIPPED.scenarios["dev_snapshot_freeze"], engine)
    assert ("it also freezes sshd" in frozen) == (engine.name == "image")
    disk = SHIPPED.scenarios["swap_file_read"]
    diskless = lacks_of_engine(disk, engine)
    assert ("no file system on a disk" in diskless) == (engine.name != "image")
    kernel = boot_images(tmp_path).kernel
    why = inapplicable(disk, SHIPPED.variants["baseline"], kernel, engine, is_foreign=False)
    if diskless:
        assert why == Inapplicable(diskless, End.LACKING)


def test_what_is_declared_comes_before_what_its_kernel_lacks(tmp_path: Path) -> None:
    attack = replace(ATTACK, needs=("DAMON",), not_applicable={"kthread": "no blob"})
    kernel = boot_images(tmp_path).kernel
    for name, end in (("kthread", End.NOT_TRIED), ("isolated", End.LACKING)):
        why = inapplicable(attack, SHIPPED.variants[name], kernel, MICROVM, is_foreign=False)
        assert why is not None
        assert why.end is end


def foreign(place: Path, attack: Scenario, *functions: str) -> Inapplicable | None:
    """Why an attack is `n/a` on `isolated`, on a user's kernel with these functions."""
    kernel = boot_images(place, functions=functions).kernel
    return inapplicable(attack, SHIPPED.variants["isolated"], kernel, MICROVM, is_foreign=True)


def test_a_foreign_kernel_may_lack_the_function_that_proves_arrival(tmp_path: Path) -> None:
    images = boot_images(tmp_path, functions=[str(ATTACK.no_target_at)])
    lab = Lab("linux", {"": images}, Accelerator("tcg", "for a test"), is_foreign=True)
    given = lab.run(Cell("linux", "isolated", ATTACK.name))
    assert (given.verdict, given.attempt_end) == (Verdict.NOT_APPLICABLE, AttemptEnd(End.LACKING))
    assert given.detail == f"this kernel has no function {ATTACK.reach}"


@pytest.mark.parametrize(("is_foreign", "origin"), [(False, ()), (True, ("--scenario", "mine.py"))])
def test_a_function_that_is_not_there_is_not_excused_where_its_name_may_be_wrong(
    tmp_path: Path, *, is_foreign: bool, origin: tuple[str, ...]
) -> None:
    attack = replace(ATTACK, reach="misspelt", origin=origin)
    kernel = boot_images(tmp_path, functions=["security_file_open"]).kernel
    isolated = SHIPPED.variants["isolated"]
    why = inapplicable(attack, isolated, kernel, MICROVM, is_foreign=is_foreign)
    assert why is None, "it is tried, and ends in an error"


def test_a_foreign_kernel_that_has_it_by_another_name_is_attacked(tmp_path: Path) -> None:
    attack = replace(ATTACK, reach="page_idle_get_folio", no_target_at=None)
    assert foreign(tmp_path, attack, "page_idle_get_page") is None
    assert foreign(tmp_path, attack, "security_file_open") is not None
