# SPDX-License-Identifier: GPL-2.0-only
"""Which kernels an attack reaches: ours, and those that distributions ship."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.variants import VARIANTS
from harness.scenarios import SCENARIOS
from harness.surface.configs import OURS, kernels, reachable_with, settings, survey, unknown


def test_every_attack_that_is_tried_is_reachable_with_ours() -> None:
    tried = [one for one in SCENARIOS.values() if set(VARIANTS) - set(one.not_applicable)]
    assert not [one.name for one in tried if OURS not in reachable_with(one)]


def test_what_no_kernel_offers_is_reachable_with_none() -> None:
    assert reachable_with(SCENARIOS["static_usermodehelper"]) == ()


def test_each_distribution_says_something_of_every_option_that_is_needed() -> None:
    """Else: `python -m harness.surface.configs`, as docs/reference/surface.md has it."""
    assert not any(unknown().values()), unknown()
    assert {"Debian", "Fedora"} <= set(kernels())


def test_a_debug_only_attack_is_not_sold_as_one_on_production_kernels() -> None:
    attack = replace(SCENARIOS["nothing"], needs=("FAIL_FUNCTION",))
    assert reachable_with(attack) == (OURS,)
    sched_ext = replace(attack, needs=("SCHED_CLASS_EXT",))
    assert reachable_with(sched_ext) == (OURS, "Fedora"), "Debian leaves it out"


def test_an_option_may_have_to_be_off() -> None:
    attack = replace(SCENARIOS["nothing"], needs=("DEVMEM", "!STRICT_DEVMEM"))
    assert reachable_with(attack) == (OURS,)


def test_settings_are_read_as_kconfig_writes_them() -> None:
    text = "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=n\nCONFIG_E=12\n"
    assert settings(text) == {"A": True, "B": True, "C": False, "D": False}


@pytest.mark.parametrize("name", ["debian", "nobody"])
def test_a_survey_keeps_what_is_needed(name: str) -> None:
    text = survey(name, "CONFIG_CHECKPOINT_RESTORE=y\nCONFIG_SOUND=y\n", "somewhere")
    assert "# somewhere" in text
    assert "SOUND" not in text
    needed = {need.removeprefix("!") for one in SCENARIOS.values() for need in one.needs}
    assert needed <= set(settings(text))
