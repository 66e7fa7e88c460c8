# SPDX-License-Identifier: GPL-2.0-only
"""The key that signs modules: made once, its owner's alone, and nowhere but in its folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import LINE, Miniature, make_miniature

from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES
from harness.kernel.build.build import kernel_image
from harness.kernel.build.config import requested_options
from harness.kernel.build.plan import BuildRequest
from harness.kernel.build.signing import TRUSTED, SigningKey, signing_key, unsigned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.kernel.build.images import KernelImage

MODULE = bytes(range(256)) * 40
END = re.compile(rb"(?s)(.*)\x00\x00\x02\x00{5}(.{4})~Module signature appended~\n")


@pytest.fixture
def anybody() -> Iterator[None]:
    """A umask under which whatever is made is everybody's to read."""
    former = os.umask(0)
    yield
    os.umask(former)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return signing_key(tmp_path)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def verifies(key: SigningKey, signed: bytes, folder: Path) -> bool:
    """Whether openssl takes it for signed by that key, with what the kernel reads at its end."""
    match = END.fullmatch(signed)
    assert match
    length = int.from_bytes(match[2], "big")
    content, message = folder / "content", folder / "message"
    content.write_bytes(match[1][:-length])
    message.write_bytes(match[1][-length:])
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", str(message)]
    command += ["-content", str(content), "-certfile", str(key.certificate)]
    command += ["-CAfile", str(key.certificate), "-purpose", "any", "-out", os.devnull]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def secret(key: SigningKey) -> bytes:
    """A line of the private key's text."""
    lines = key.private.read_bytes().splitlines()
    return lines[len(lines) // 2]


@pytest.mark.usefixtures("anybody")
def test_it_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        digests = set(pool.map(lambda _: signing_key(tmp_path).digest, range(4)))
    assert len(digests) == 1
    key = signing_key(tmp_path)
    assert {key.digest} == digests
    assert (mode(key.private), mode(key.private.parent)) == (0o600, 0o700)
    assert {path.name for path in tmp_path.iterdir()} == {"signing", "signing.lock"}


def test_what_it_signs_is_signed(key: SigningKey, tmp_path: Path) -> None:
    signed = key.sign(MODULE)
    assert signed == key.sign(MODULE)
    assert verifies(key, signed, tmp_path)
    assert not verifies(key, b"x" + signed[1:], tmp_path)
    (tmp_path / "other").mkdir()
    other = signing_key(tmp_path / "other")
    assert other.digest != key.digest
    assert not verifies(key, other.sign(MODULE), tmp_path)


def test_without_its_signature_a_module_is_what_it_was(key: SigningKey) -> None:
    assert unsigned(key.sign(MODULE)) == MODULE
    assert unsigned(MODULE) == MODULE


def test_a_build_is_given_the_certificate_once(key: SigningKey, tmp_path: Path) -> None:
    place = tmp_path / "objects" / TRUSTED
    key.trust(tmp_path / "objects")
    assert place.read_bytes() == key.certificate.read_bytes()
    os.utime(place, (1, 1))
    key.trust(tmp_path / "objects")
    assert place.stat().st_mtime == 1
    place.write_bytes(b"another")
    key.trust(tmp_path / "objects")
    assert place.read_bytes() == key.certificate.read_bytes()


def test_the_configuration_asks_for_that_certificate_and_for_no_key() -> None:
    asked = requested_options([KERNEL_PATCHES / "config/base.config"])
    assert asked["SYSTEM_TRUSTED_KEYS"] == f'"{TRUSTED}"'
    assert asked["MODULE_SIG_KEY"] == '""'


@pytest.mark.parametrize("lost", ["private", "certificate"])
def test_half_a_key_is_the_users_to_mend(key: SigningKey, lost: str) -> None:
    (key.private if lost == "private" else key.certificate).unlink()
    with pytest.raises(UserError, match="is missing or cannot be read") as error:
        signing_key(key.private.parent.parent)
    assert error.value.hint
    assert "remove" in error.value.hint


def test_a_key_that_is_none_is_the_users_to_mend(key: SigningKey) -> None:
    key.private.write_text("nonsense")
    with pytest.raises(UserError, match="openssl cms failed: "):
        key.sign(MODULE)


def test_without_openssl_there_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="needs `openssl`"):
        signing_key(tmp_path)
    assert not (tmp_path / "signing").exists()


@pytest.fixture
def mini(tmp_path: Path) -> Miniature:
    return make_miniature(tmp_path)


def build(mini: Miniature) -> KernelImage:
    return kernel_image(BuildRequest(LINE), progress=lambda _: None, workspace=mini.workspace)


def test_an_image_goes_with_its_key(mini: Miniature) -> None:
    image = build(mini)
    key = signing_key(mini.cache)
    former = key.digest
    assert image.meta["signing"] == former
    assert (mini.built / "objects" / TRUSTED).read_bytes() == key.certificate.read_bytes()
    assert build(mini) == image
    shutil.rmtree(mini.cache / "signing")
    other = build(mini)
    assert other.key != image.key
    assert other.meta["signing"] == signing_key(mini.cache).digest != former


def test_no_build_or_image_has_the_private_key(mini: Miniature) -> None:
    build(mini)
    key = signing_key(mini.cache)
    files = {path: path.read_bytes() for path in mini.cache.rglob("*") if path.is_file()}
    assert [path for path, content in files.items() if secret(key) in content] == [key.private]
    assert len(files) > 20
