# SPDX-License-Identifier: GPL-2.0-only
"""Signed modules on the real kernel: which load, which taint; the private key is nowhere."""

from __future__ import annotations

import mmap
import re
import subprocess
from contextlib import suppress
from errno import EKEYREJECTED
from typing import TYPE_CHECKING

import pytest

from harness.attacker.agent.errors import GuestError
from harness.cache.places import STATES
from harness.host.paths import cache_dir
from harness.kernel.build.signing import SigningKey, signing_key, unsigned
from harness.vm.states import state_key

if TYPE_CHECKING:
    from pathlib import Path

    from harness.attacker import Attacker
    from harness.lab.images import BootImages
    from harness.lab.lab import Lab
    from harness.witness.reader import Witness

UNSIGNED = 1 << 13
"""TAINT_UNSIGNED_MODULE"""
MODULE = "/lib/modules/sample_mgr.ko"


def load(attacker: Attacker, module: bytes) -> None:
    attacker.syscall("init_module", module, len(module), "")


def test_what_we_ship_is_signed_and_taints_nothing(attacker: Attacker, witness: Witness) -> None:
    load(attacker, attacker.read_file(MODULE))
    assert not witness.taint() & UNSIGNED


def test_unsigned_it_loads_and_taints(attacker: Attacker, witness: Witness) -> None:
    signed = attacker.read_file(MODULE)
    module = unsigned(signed)
    assert len(module) < len(signed)
    load(attacker, module)
    assert witness.taint() & UNSIGNED


def test_with_a_wrong_signature_it_does_not_load(attacker: Attacker) -> None:
    module = attacker.read_file(MODULE)
    where = module.index(b"umd_send_recv")
    with pytest.raises(GuestError) as error:
        load(attacker, module[:where] + b"x" + module[where + 1 :])
    assert error.value.errno == EKEYREJECTED


def secrets(key: SigningKey) -> list[bytes]:
    """How the private key would show: as a line of its text, and in its numbers."""
    lines = key.private.read_bytes().splitlines()
    said = subprocess.run(
        ["openssl", "pkey", "-in", key.private, "-noout", "-text"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    match = re.search(r"privateExponent:\n((?: +[0-9a-f:]+\n)+)", said)
    assert match
    number = bytes.fromhex(re.sub(r"[\s:]", "", match[1])).strip(b"\0")
    return [lines[len(lines) // 2], number[:64], number[63::-1]]


def size(path: Path) -> int:
    """Of a file, in bytes; another test's that is gone by now has none."""
    with suppress(FileNotFoundError):
        return path.stat().st_size if path.is_file() else 0
    return 0


def holds(path: Path, secret: bytes) -> bool:
    """Whether the file has it; another test's that is gone by now has nothing."""
    with (
        suppress(FileNotFoundError),
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return content.find(secret) >= 0
    return False


@pytest.mark.usefixtures("machine")  # whose saved state is on the disk then
def test_the_private_key_is_nowhere_but_in_its_folder(
    lab: Lab, images: BootImages, variant: str
) -> None:
    key = signing_key(cache_dir())
    assert images.kernel.meta["signing"] == key.digest
    spec = lab.spec(variant)
    state = STATES.path() / spec.name / state_key(spec, lab.accelerator)
    places = [images.kernel.directory, images.guest.initramfs.parent, state]
    files = [path for place in places for path in place.rglob("*") if size(path)]
    assert {"bzImage", "initramfs.cpio", "ram"} <= {path.name for path in files}
    for secret in secrets(key):
        assert not [path for path in files if holds(path, secret)]
    assert holds(key.private, secrets(key)[0])
