# SPDX-License-Identifier: GPL-2.0-only
"""Kernel images: symbols by name, published whole, and few kept."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.host.errors import UserError
from harness.kernel.build.images import KernelImage, find_image, publish

if TYPE_CHECKING:
    from pathlib import Path

SYSTEM_MAP = """\
0000000000001000 D per_cpu_thing
ffffffff81000000 T _text
ffffffff82345678 D umd_witness_tally
ffffffff82345999 d umd_witness_tally
"""


def fill(folder: Path) -> None:
    (folder / "System.map").write_text(SYSTEM_MAP)
    (folder / "loader.ko").write_text("")


def test_symbols(tmp_path: Path) -> None:
    image = publish("6.12", "k1", cache=tmp_path, meta={"source": "s"}, fill=fill)
    assert image.symbol("umd_witness_tally") == 0xFFFFFFFF82345678
    assert image.physical("umd_witness_tally") == 0x2345678
    assert image.meta["source"] == "s"
    assert [module.name for module in image.modules] == ["loader.ko"]
    with pytest.raises(UserError, match="has no symbol nothing"):
        image.symbol("nothing")
    with pytest.raises(UserError, match="not in the kernel's own mapping"):
        image.physical("per_cpu_thing")


def test_version(tmp_path: Path) -> None:
    image = KernelImage("6.1", "k1", tmp_path)
    image.config.write_text("#\n# Linux/x86 6.1.192 Kernel Configuration\n#\nCONFIG_SMP=y\n")
    assert image.version == (6, 1, 192)
    unnamed = KernelImage("6.1", "k1", tmp_path)
    unnamed.config.write_text("CONFIG_SMP=y\n")
    assert unnamed.version == ()


def test_release_and_compiler(tmp_path: Path) -> None:
    image = KernelImage("6.1", "k1", tmp_path)
    image.config.write_text('CONFIG_CC_VERSION_TEXT="gcc (Debian 14.2.0-19) 14.2.0"\n')
    setup = bytearray(0x400)
    setup[0x20E:0x210] = (0x100).to_bytes(2, "little")
    said = b"6.1.192-mine (umd@harness) #1 SMP\0"
    setup[0x300 : 0x300 + len(said)] = said
    image.bzimage.write_bytes(setup)
    assert (image.release, image.compiler) == ("6.1.192-mine", "gcc (Debian 14.2.0-19) 14.2.0")
    image.config.write_text("CONFIG_SMP=y\n")
    image.bzimage.write_bytes(b"MZ")
    assert (image.release, image.compiler) == ("", "")


def test_handler_symbol(tmp_path: Path) -> None:
    image = KernelImage("6.12", "k1", tmp_path)
    image.handlers.mkdir()
    source = tmp_path / "handler.c"
    source.write_text("char reply[64]; int main(void) { return reply[0]; }\n")
    program = image.handlers / "umh"
    subprocess.run(["gcc", "-no-pie", "-o", program, source], check=True, timeout=60)
    nm = subprocess.run(["nm", program], check=True, timeout=60, capture_output=True, text=True)
    said = next(line for line in nm.stdout.splitlines() if line.endswith(" reply"))
    assert image.handler_symbol("umh", "reply") == int(said.split()[0], 16)
    with pytest.raises(UserError, match="no symbol nothing"):
        image.handler_symbol("umh", "nothing")
    with pytest.raises(UserError, match="no handler other"):
        image.handler_symbol("other", "reply")
    subprocess.run(["strip", program], check=True, timeout=60)
    with pytest.raises(UserError, match="no symbol reply"):
        image.handler_symbol("umh", "reply")


def test_an_interrupted_publish_shows_nothing(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        fill(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish("6.12", "k1", cache=tmp_path, meta={}, fill=interrupted)
    assert find_image("6.12", "k1", cache=tmp_path) is None
    assert not list((tmp_path / "images").iterdir())


def test_the_least_used_images_go(tmp_path: Path) -> None:
    other = publish("6.1", "other", cache=tmp_path, meta={}, fill=fill)
    os.utime(other.directory, (1, 1))
    for number in range(6):
        image = publish("6.12", f"k{number}", cache=tmp_path, meta={}, fill=fill)
        os.utime(image.directory, (100 + number, 100 + number))
    assert find_image("6.12", "k0", cache=tmp_path) is not None  # used again just now
    publish("6.12", "k6", cache=tmp_path, meta={}, fill=fill)
    kept = {path.name for path in (tmp_path / "images").iterdir()}
    assert kept == {"other", "k0", "k2", "k3", "k4", "k5", "k6"}


def test_images_that_were_used_lately_stay(tmp_path: Path) -> None:
    """A run of another process may boot them."""
    for number in range(8):
        publish("6.12", f"k{number}", cache=tmp_path, meta={}, fill=fill)
    assert len(list((tmp_path / "images").iterdir())) == 8


def test_a_flavours_images_are_counted_by_themselves(tmp_path: Path) -> None:
    for flavour in ("", "debug"):
        for number in range(7):
            key = f"{flavour}{number}"
            image = publish("6.12", key, cache=tmp_path, meta={}, fill=fill, flavour=flavour)
            os.utime(image.directory, (100 + number, 100 + number))
    kept = {path.name for path in (tmp_path / "images").iterdir()}
    assert kept == {f"{flavour}{number}" for flavour in ("", "debug") for number in range(1, 7)}
