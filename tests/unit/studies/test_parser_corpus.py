# SPDX-License-Identifier: GPL-2.0-only
"""Folders of files for the handlers that parse."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from harness.attacker.tools.packages import header_of
from harness.guests import vendor
from harness.host.errors import UserError
from harness.host.paths import cache_dir
from harness.kernel.build.signing import signing_key
from harness.studies.parser_corpus import Corpus

if TYPE_CHECKING:
    from pathlib import Path

    from harness.kernel.build.signing import SigningKey

HEADER = vendor.header((vendor.ALGORITHM, vendor.INT32, 1, b"\0\0\0\x08"))


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return signing_key(cache_dir())


def pem(content: bytes) -> bytes:
    encoded = base64.encodebytes(content)
    return b"-----BEGIN CERTIFICATE-----\n" + encoded + b"-----END CERTIFICATE-----\n"


def test_each_different_certificate_is_there_once(tmp_path: Path, key: SigningKey) -> None:
    """A file of PEM may have several, with text between them. No handler takes a long file."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "der").write_bytes(b"0 third certificate")
    (tmp_path / "chain.pem").write_bytes(b"a\n" + pem(b"0 one") + b"b\n" + pem(b"0 other one"))
    (tmp_path / "again.pem").write_bytes(pem(b"0 one"))
    (tmp_path / "broken.pem").write_bytes(b"-----BEGIN X-----\nAAAAA\n-----END X-----\n")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "long").write_bytes(b"0" * (161 << 10))
    files = Corpus.parse(f"x509={tmp_path}").files(key)
    assert files == (b"0 one", b"0 other one", b"0 third certificate")


def test_a_key_is_taken_as_it_is(tmp_path: Path, key: SigningKey) -> None:
    (tmp_path / "key").write_bytes(pem(b"armour"))
    assert Corpus.parse(f"pgp={tmp_path}").files(key) == (pem(b"armour"),)


def test_a_package_gives_its_header_with_a_signature(tmp_path: Path, key: SigningKey) -> None:
    """The header begins at a multiple of 8 bytes."""
    lead = b"\xed\xab\xee\xdb".ljust(96, b"\0")
    signature = vendor.header((1000, vendor.STRING, 1, b"abc"))
    package = lead + signature + b"\0" * (-len(signature) % 8) + HEADER + b"the files"
    (tmp_path / "one.rpm").write_bytes(package)
    (tmp_path / "short.rpm").write_bytes(package[:100])
    (tmp_path / "readme").write_bytes(b"no package")
    (file,) = Corpus.parse(f"rpm={tmp_path}").files(key)
    assert header_of(file) == HEADER
    assert file == vendor.signed(key, HEADER)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x509", "'x509' is no corpus"),
        ("hash=.", "'hash=.' is no corpus"),
        ("x509=/nonexistent", "'/nonexistent' is no folder"),
    ],
)
def test_another_corpus_is_an_error(text: str, error: str) -> None:
    with pytest.raises(UserError, match=error):
        Corpus.parse(text)


def test_a_folder_without_a_file_is_an_error(tmp_path: Path, key: SigningKey) -> None:
    (tmp_path / "readme").write_bytes(b"no package")
    with pytest.raises(UserError, match="has no file for rpm"):
        Corpus.parse(f"rpm={tmp_path}").files(key)
