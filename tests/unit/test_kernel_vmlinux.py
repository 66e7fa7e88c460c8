# SPDX-License-Identifier: GPL-2.0-only
"""Which vmlinux an image was made from: the build id says, wherever it lies."""

from __future__ import annotations

import gzip
import shutil
from typing import TYPE_CHECKING

import pytest
from kernel_files import bzimage, elf

from harness.errors import UserError
from harness.kernel.images import KernelImage
from harness.kernel.vmlinux import find_vmlinux

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "0x" + "cd" * 20


@pytest.fixture
def image(tmp_path: Path) -> KernelImage:
    """An image, whose vmlinux lies in `made`, out of the cache."""
    directory = tmp_path / "images" / "k"
    directory.mkdir(parents=True)
    bzimage(directory / "bzImage", elf(tmp_path / "made"), gzip.compress)
    return KernelImage("6.12", "k", directory)


def test_it_is_that_of_the_same_build(image: KernelImage, tmp_path: Path) -> None:
    elf(tmp_path / "build/6.12/objects/vmlinux", build_id=OTHER)
    place = tmp_path / "build/mine/objects-debug/vmlinux"
    place.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "made", place)
    assert find_vmlinux(image, cache=tmp_path) == place


def test_the_users_own_counts_as_well(image: KernelImage, tmp_path: Path) -> None:
    assert find_vmlinux(image, cache=tmp_path, given=tmp_path / "made") == tmp_path / "made"
    with pytest.raises(UserError, match="is gone"):
        find_vmlinux(image, cache=tmp_path, given=elf(tmp_path / "other", build_id=OTHER))


def test_one_that_is_gone_is_told_and_how_to_have_it_again(
    image: KernelImage, tmp_path: Path
) -> None:
    half_linked = tmp_path / "build/6.12/objects/vmlinux"
    half_linked.parent.mkdir(parents=True)
    half_linked.write_bytes(b"\x7fELF")
    with pytest.raises(UserError, match=f"is gone.*`rm -r {image.directory}` has"):
        find_vmlinux(image, cache=tmp_path)
