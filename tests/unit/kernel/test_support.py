# SPDX-License-Identifier: GPL-2.0-only
"""Which variants a kernel can be, by its options and symbols."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import write_files

from harness.host.errors import UserError
from harness.kernel.build.images import KernelImage
from harness.kernel.build.support import CHOICE, DEBUGGING, ISOLATION, PARAMETER, supported
from harness.model.variants import VARIANTS

if TYPE_CHECKING:
    from pathlib import Path

RIVALS = "".join(f"CONFIG_{one.rival.option}=y\n" for one in VARIANTS.values() if one.rival)
OURS = f"{RIVALS}CONFIG_{ISOLATION}=y\n# CONFIG_{DEBUGGING} is not set\n"


def image(folder: Path, config: str, *symbols: str) -> KernelImage:
    lines = [f"ffffffff8100000{number} T {name}\n" for number, name in enumerate(symbols)]
    write_files(folder, {"config": config, "System.map": "".join(lines)})
    return KernelImage("mine", "0123", folder)


def test_a_library_alone(tmp_path: Path) -> None:
    there, missing = supported(image(tmp_path, "CONFIG_USERMODE_DRIVER=y\n"), VARIANTS)
    assert there == ["baseline", "kthread"]
    assert set(there) | set(missing) == set(VARIANTS)
    rivals = {name: one.rival for name, one in VARIANTS.items() if one.rival}
    for name, policy in rivals.items():
        assert missing[name] == f"this kernel has no CONFIG_{policy.option}"
    rest = {why for name, why in missing.items() if name not in rivals}
    assert rest == {"this kernel has no isolation of ours (CONFIG_SECURITY_UMD)"}


def test_our_series_with_its_witness(tmp_path: Path) -> None:
    assert supported(image(tmp_path, OURS, PARAMETER, CHOICE), VARIANTS) == (list(VARIANTS), {})


def test_a_witness_that_does_not_choose_among_the_defences(tmp_path: Path) -> None:
    _, missing = supported(image(tmp_path, OURS, PARAMETER), VARIANTS)
    assert missing.keys() == {"proposal", "proposal-mark"}
    assert {"this kernel has no parameter umd_only="} == set(missing.values())


def test_our_series_without_it(tmp_path: Path) -> None:
    there, missing = supported(image(tmp_path, OURS, "umd_confine"), VARIANTS)
    assert {"isolated", "kthread"} <= set(there)
    assert "it has no parameter umd_isolation=" in missing["baseline"]


def test_debugging(tmp_path: Path) -> None:
    _, missing = supported(
        image(tmp_path / "a", f"{RIVALS}CONFIG_{ISOLATION}=y\n", PARAMETER, CHOICE), VARIANTS
    )
    assert missing == {"isolated-debug": f"this kernel has no CONFIG_{DEBUGGING}"}
    on = f"CONFIG_{ISOLATION}=y\nCONFIG_{DEBUGGING}=y\n"
    there, missing = supported(image(tmp_path / "b", on, PARAMETER), VARIANTS)
    assert "isolated-debug" in there
    assert "lets handlers be debugged" in missing["isolated"]


def test_the_options_that_a_variant_needs(tmp_path: Path) -> None:
    mine = replace(VARIANTS["baseline"], name="mine", needs=("SECURITY_MINE",))
    variants = {**VARIANTS, "mine": mine}
    _, missing = supported(image(tmp_path / "a", OURS, PARAMETER, CHOICE), variants)
    assert missing == {"mine": "this kernel has no CONFIG_SECURITY_MINE"}
    there, _ = supported(
        image(tmp_path / "b", f"{OURS}CONFIG_SECURITY_MINE=y\n", PARAMETER, CHOICE), variants
    )
    assert "mine" in there


def test_what_is_asked_for(tmp_path: Path) -> None:
    kernel = image(tmp_path, "CONFIG_USERMODE_DRIVER=y\n")
    assert supported(kernel, VARIANTS, ["kthread"])[0] == ["kthread"]
    with pytest.raises(UserError, match=r"isolated: this kernel has no .*be baseline, kthread"):
        supported(kernel, VARIANTS, ["kthread", "isolated"])
