# SPDX-License-Identifier: GPL-2.0-only
"""What must be true of the kernel code whatever it is built into (rule 8)."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.host.paths import KERNEL_PATCHES

if TYPE_CHECKING:
    from pathlib import Path

OVERLAY = KERNEL_PATCHES / "overlay"
BUILT_WITHOUT_WITNESS = [
    path for path in sorted(OVERLAY.rglob("*.c")) if "umd_witness" not in path.parts
]
PARAMETER = re.compile(
    r"\b(early_param|__setup|core_param|(?:proc|register)\w*sysctl|module_param)"
)


def preprocessed(source: Path) -> str:
    """The source as the compiler sees it, without what it includes."""
    code = "".join(
        line for line in source.read_text().splitlines(keepends=True) if "#include" not in line
    )
    done = subprocess.run(
        ["gcc", "-E", "-P", "-"], input=code, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("source", BUILT_WITHOUT_WITNESS, ids=lambda path: path.name)
def test_no_parameter_exists_without_the_witness(source: Path) -> None:
    assert not PARAMETER.search(preprocessed(source))


def test_the_check_sees_a_parameter_where_there_is_one() -> None:
    defences = OVERLAY / "kernel" / "umd_witness" / "defences.c"
    assert PARAMETER.search(preprocessed(defences))


def test_every_overlay_file_names_its_licence() -> None:
    files = [path for path in OVERLAY.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert "SPDX-License-Identifier: GPL-2.0-only" in path.read_text().split("\n", 2)[0], path
