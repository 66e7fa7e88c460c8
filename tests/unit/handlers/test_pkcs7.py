# SPDX-License-Identifier: GPL-2.0-only
"""The handler of PKCS#7 messages, on the vendor's message and on what an attacker makes of it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from handler_process import PKCS7, ROOM, X509, HandlerProcess, message, running

from harness.attacker.tools.certificates import OwnKey
from harness.attacker.tools.signed_messages import content_of, digest_of, forged_reply, with_content
from harness.guests.vendor import MESSAGE, vendor_files
from harness.host.paths import cache_dir
from harness.kernel.build.signing import signing_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def handler(programs: Path, confine: str) -> Iterator[HandlerProcess]:
    """A process, which still works after the test."""
    with running(programs / "pkcs7", confine) as process:
        yield process
        assert process.status(vendor()) == "0"


def vendor() -> bytes:
    """The vendor's message."""
    return vendor_files(signing_key(cache_dir()))[MESSAGE]


def test_the_parts_of_the_vendors_message(handler: HandlerProcess) -> None:
    assert vendor() == vendor(), "a cache keeps it"
    found = message(handler.ask(vendor()))
    content = content_of(vendor())
    (signer,) = found.signers
    assert not found.certs
    assert found.data.of(vendor()) == content
    assert signer.digest.of(vendor()) == digest_of(vendor()) == sha256(content).digest()


def test_a_forged_reply_names_the_signer_that_the_parser_finds(
    handler: HandlerProcess,
) -> None:
    """The handler itself says what is in the message. Its reply has room for certificates."""
    key = OwnKey().public
    blob = with_content(vendor(), key)
    (true,) = message(handler.ask(blob)).signers
    forged = forged_reply(blob, key, sha256(key).digest())
    lie = message(forged[: PKCS7.size] + bytes(ROOM * X509.size) + forged[PKCS7.size :])
    assert lie.data.of(blob) == key
    assert lie.signers == (replace(true, digest=lie.signers[0].digest),)
    assert lie.signers[0].digest.of(blob) == sha256(key).digest() != true.digest.of(blob)
