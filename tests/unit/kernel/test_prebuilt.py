# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that is already built, in miniature: real ELF files, with a bzImage around one."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import subprocess
from binascii import hexlify
from typing import TYPE_CHECKING

import pytest
from built_kernel import BUILT, bzimage, elf
from miniature_kernel import LINE, write_files

from harness.host.errors import UserError
from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest, Workspace
from harness.kernel.choice.built import facts_of
from harness.kernel.choice.kernel_choice import KernelChoice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.kernel.build.images import KernelImage


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    """A folder that a kernel was built in."""
    folder = tmp_path / "objects"
    write_files(folder, BUILT)
    bzimage(folder / "bzImage", elf(folder / "vmlinux"), gzip.compress)
    return folder


def build(objects: Path) -> KernelImage:
    choice = KernelChoice(LINE, bzimage=objects / "bzImage", vmlinux=objects / "vmlinux")
    request = BuildRequest(choice.name, choice=choice)
    workspace = Workspace(objects.parent / "cache")
    return kernel_image(request, progress=lambda _: None, workspace=workspace)


def by_tool(*argv: str) -> Callable[[bytes], bytes]:
    """Return a function that compresses by a tool, as the kernel's Makefile does."""

    def compress(data: bytes) -> bytes:
        return subprocess.run(argv, input=data, check=True, timeout=60, capture_output=True).stdout

    return compress


ZSTD, LZ4 = by_tool("zstd", "-c"), by_tool("lz4", "-l", "-9", "-c")


def test_it_is_taken_as_it_is(objects: Path) -> None:
    image = build(objects)
    assert image.bzimage.read_bytes() == (objects / "bzImage").read_bytes()
    assert image.symbol("umd_witness_tally") == 0xFFFFFFFF82000000
    assert [path.name for path in image.modules] == ["umd_witness_loader.ko"]
    assert image.options == {"SECURITY_UMD"}
    assert build(objects) == image
    assert b"ab" * 20 in hexlify(image.vmlinux.read_bytes())
    choice = KernelChoice(LINE, bzimage=objects / "bzImage", vmlinux=objects / "vmlinux")
    assert facts_of(choice)["build_id"] == "ab" * 20


def test_an_image_without_a_vmlinux_says_how_to_have_one(objects: Path) -> None:
    image = build(objects)
    image.vmlinux.unlink()
    with pytest.raises(UserError, match=f"has no vmlinux.*`rm -r {image.directory}` has"):
        image.vmlinux.read_bytes()
    assert build(objects).vmlinux.is_file(), "an image that is not whole is made again"


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress, ZSTD, LZ4, bytes])
def test_however_it_is_compressed(objects: Path, compress: Callable[[bytes], bytes]) -> None:
    bzimage(objects / "bzImage", objects / "vmlinux", compress)
    assert build(objects).bzimage.is_file()


def test_another_module_is_another_image(objects: Path) -> None:
    first = build(objects)
    (objects / "kernel/umd_witness/umd_witness_loader.ko").write_text("another")
    second = build(objects)
    assert second.key != first.key
    (objects / "fs").mkdir()
    for content in ("one", "other"):
        (objects / "fs/ext4.ko").write_text(content)
        with (objects / "modules.order").open("a") as order:
            order.write("fs/ext4.o\n")
        image = build(objects)
        assert (image.directory / "ext4.ko").read_text() == content, "it was taken anew"


def test_of_two_builds(objects: Path, tmp_path: Path) -> None:
    bzimage(objects / "bzImage", elf(tmp_path / "other", build_id="0x" + "cd" * 20), gzip.compress)
    with pytest.raises(
        UserError, match=r"not of the same build: their build ids are cdcdcdcdcdcdcdcd and abab"
    ):
        build(objects)


def test_without_a_build_id_nothing_belongs_together(objects: Path) -> None:
    bzimage(objects / "bzImage", elf(objects / "vmlinux", build_id="none"), gzip.compress)
    with pytest.raises(UserError, match="their build ids are none and none"):
        build(objects)


def test_without_btf(objects: Path) -> None:
    bzimage(objects / "bzImage", elf(objects / "vmlinux", btf=False), gzip.compress)
    with pytest.raises(UserError, match=r"has no BTF.*CONFIG_DEBUG_INFO_BTF=y"):
        build(objects)


def test_of_another_architecture(objects: Path) -> None:
    vmlinux = bytearray((objects / "vmlinux").read_bytes())
    struct.pack_into("<H", vmlinux, 18, 183)  # EM_AARCH64
    (objects / "vmlinux").write_bytes(vmlinux)
    with pytest.raises(UserError, match=r"is for EM_AARCH64; guests here are x86-64"):
        build(objects)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("vmlinux", "text", "is not a vmlinux"),
        ("bzImage", "text", "is not a bzImage of x86"),
        ("System.map", "0 T _text\n", r"has no witness \(umd_witness_tally\)"),
        ("System.map", None, r"no System\.map beside"),
        (".config", None, r"no \.config beside"),
        ("kernel/umd_witness/umd_witness_loader.ko", None, "CONFIG_UMD_WITNESS_LOADER=m is off"),
        ("kernel/umd_witness/umd_witness_umh", None, "umd_witness_umh was not built"),
    ],
)
def test_what_is_missing(objects: Path, name: str, content: str | None, match: str) -> None:
    (objects / name).unlink()
    if content is not None:
        (objects / name).write_text(content)
    with pytest.raises(UserError, match=match):
        build(objects)


def test_a_bzimage_that_is_cut(objects: Path) -> None:
    whole = (objects / "bzImage").read_bytes()
    (objects / "bzImage").write_bytes(whole[:-40])
    with pytest.raises(UserError, match=r"bzImage holds no kernel"):
        build(objects)
