# SPDX-License-Identifier: GPL-2.0-only
"""The handler of certificates: what it reads, and what it says to what is no certificate."""

from __future__ import annotations

import random
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID
from handler_process import HandlerProcess, certificate, running, spans_of
from made_certificates import AUTHORITY, FROM, KEYS, UNTIL, made

from harness.handlers.build import build_handler
from harness.handlers.recipes import RECIPES

if TYPE_CHECKING:
    from collections.abc import Iterator

HONEST = made(*KEYS["p256"][:2])


@pytest.fixture(scope="module")
def handler(programs: Path, confine: str) -> Iterator[HandlerProcess]:
    """One process for all tests: what a request leaves behind would show in the next."""
    with running(programs / "x509", confine) as process:
        yield process
        assert process.status(HONEST) == "0"


@pytest.mark.parametrize("kind", KEYS)
def test_the_parts_of_a_certificate(handler: HandlerProcess, kind: str) -> None:
    key, algorithm, names = KEYS[kind]
    blob = made(key, algorithm)
    found, other = certificate(handler.ask(blob)), x509.load_der_x509_certificate(blob)
    assert (found.key_algo, found.sig_algo, found.hash_algo, found.encoding) == names
    assert found.tbs.of(blob) == other.tbs_certificate_bytes
    assert found.signature.of(blob) == other.signature
    assert found.issuer.of(blob) == other.issuer.public_bytes()[2:]
    assert (found.valid_from, found.valid_to) == (FROM.timestamp(), UNTIL.timestamp())
    assert found.serial.of(blob) == bytes.fromhex("1234567890ABCDEF")
    assert found.issuer_organisation.of(blob) == b"Makers"
    assert found.issuer_rest.of(blob) == b"Root of trust"
    assert (found.subject_organisation.length, found.subject_rest.of(blob)) == (0, b"Leaf")
    assert found.authority_key.of(blob) == AUTHORITY
    assert found.skid == found.authority_serial == (0, 0)
    assert found.usage == 1, "it may sign certificates"


def test_a_key_that_the_kernel_does_not_know(handler: HandlerProcess) -> None:
    assert handler.status(made(ed25519.Ed25519PrivateKey.generate(), None)) == "ENOPKG"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"", "EBADMSG"),
        (b"\x30", "EBADMSG"),
        (HONEST[:-1], "EBADMSG"),
        (bytes(65535), "EBADMSG"),
        (bytes(65536), "EMSGSIZE"),
        (bytes(65537), "EMSGSIZE"),
        (bytes(3 << 20), "EMSGSIZE"),
        (HONEST + bytes(1 << 20), "EMSGSIZE"),
    ],
    ids=["empty", "one", "cut", "zeroes", "longest", "too-long", "much-too-long", "padded"],
)
def test_what_is_no_certificate(handler: HandlerProcess, request_: bytes, status: str) -> None:
    assert handler.status(request_) == status
    assert handler.status(HONEST) == "0"


def test_a_certificate_that_is_cut_off(handler: HandlerProcess) -> None:
    assert {handler.status(HONEST[:size]) for size in range(len(HONEST))} == {"EBADMSG"}


def test_a_reply_stays_within_the_request_whatever_is_asked(handler: HandlerProcess) -> None:
    choose = random.Random(24)  # noqa: S311 - the same bytes each time
    accepted = 0
    for _ in range(2000):
        blob = bytearray(HONEST)
        for _ in range(choose.randint(1, 3)):
            blob[choose.randrange(len(blob))] = choose.randrange(256)
        found = certificate(handler.ask(bytes(blob)))
        accepted += found.status == 0
        for span in spans_of(found).values():
            span.of(bytes(blob))
    assert accepted


def test_a_name_that_is_hard_to_find(handler: HandlerProcess) -> None:
    """Both parts have ": " in many places, and so has the rest of the name."""
    organisation, common = "a" + ": " * 127, ": " * 126 + "y"
    filler = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, ": " * 14000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a common name may have 64 characters
        last = x509.NameAttribute(NameOID.COMMON_NAME, common, _validate=False)
    first = x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)
    blob = made(*KEYS["p256"][:2], [filler, first, filler, last])
    before = cpu_seconds(handler)
    found = certificate(handler.ask(blob))
    assert found.issuer_organisation.of(blob) == organisation.encode()
    assert found.issuer_rest.of(blob) == common.encode()
    assert cpu_seconds(handler) - before < 0.25, "behind each one it would be 0.8 s"


def cpu_seconds(handler: HandlerProcess) -> float:
    running_ns, *_ = Path(f"/proc/{handler.process.pid}/schedstat").read_text().split()
    return int(running_ns) / 1e9


def test_an_arena_that_is_too_small(tmp_path: Path, tree: Path) -> None:
    build_handler(replace(RECIPES["x509"], arena_size=512), tmp_path / "x509", tree=tree)
    with running(tmp_path / "x509") as small:
        assert [small.status(HONEST) for _ in range(3)] == ["ENOMEM"] * 3


def test_what_has_no_frame_ends_the_handler(programs: Path) -> None:
    done = subprocess.run([programs / "x509"], input=bytes(100), capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, b"")
