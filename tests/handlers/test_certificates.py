# SPDX-License-Identifier: GPL-2.0-only
"""The handler of certificates and the kernel's own parser agree on each blob of the corpora."""

from __future__ import annotations

import warnings
from collections import Counter
from errno import EKEYREJECTED
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from handler_process import Certificate, certificate, running, spans_of
from kernel_parsers import content, kernel_says, part, status, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.attacker import Attacker

pytestmark = pytest.mark.few

LEAST = 500
"""Certificates that must be accepted: far fewer would mean that the corpora shrank."""


def same_fields(cert: Certificate, said: Mapping[str, str], blob: bytes) -> list[str]:
    """Return the fields in which the handler's reply and the kernel's structure differ."""
    wrong = [
        name
        for name in ("tbs", "signature", "serial", "issuer", "subject", "skid")
        if getattr(cert, name) != part(said, name)
    ]
    numbers = ("usage", "valid_from", "valid_to", "key_oid")
    wrong += [name for name in numbers if getattr(cert, name) != int(said[name], 0)]
    names = ("key_algo", "sig_algo", "hash_algo", "encoding")
    wrong += [name for name in names if getattr(cert, name) != text(said, name)]
    wrong += [n for n in ("key", "params") if getattr(cert, n).length != int(said[f"{n}_size"])]
    key = cert.key.of(blob)[:48]
    if content(said, "key_bytes")[: len(key)] != key:
        wrong.append("key_bytes")
    for name in ("issuer", "subject"):
        first = getattr(cert, f"{name}_organisation").of(blob)
        made = (first + b": " if first else b"") + getattr(cert, f"{name}_rest").of(blob)
        if content(said, f"{name}_text").split(b"\0")[0] != made[:48]:
            wrong.append(f"{name}_text")
    return wrong


def verify_with_itself(cert: x509.Certificate) -> None:
    """Verify the signature of a certificate with its own key, whatever the hash algorithm is.

    Raises InvalidSignature.
    """
    key, algorithm = cert.public_key(), cert.signature_hash_algorithm
    assert algorithm is not None
    signed = cert.signature, cert.tbs_certificate_bytes
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(*signed, ec.ECDSA(algorithm))
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(*signed, padding.PKCS1v15(), algorithm)


def is_left_to_the_caller(cert: Certificate, blob: bytes, kernel: int) -> bool:
    """Whether the kernel refused because of the signature of a certificate that signs itself.

    Its parser checks that signature, and the handler has no cryptography.
    """
    if kernel != -EKEYREJECTED or cert.issuer.of(blob) != cert.subject.of(blob):
        return False
    with pytest.raises(InvalidSignature):
        verify_with_itself(x509.load_der_x509_certificate(blob))
    return True


@pytest.mark.timeout(1200)
def test_the_kernel_and_the_handler_agree(
    corpus: dict[bytes, str], programs: Path, confine: str, attacker: Attacker, ask_kernel: Path
) -> None:
    reference = kernel_says(attacker, ask_kernel, "keys", list(corpus))
    differ: list[tuple[object, ...]] = []
    left, counted = [], Counter[int]()
    with running(programs / "x509", confine) as handler:
        for (blob, name), said in zip(corpus.items(), reference, strict=True):
            cert = certificate(handler.ask(blob))
            kernel = status(said)
            counted[cert.status] += 1
            if cert.status == 0 != kernel and is_left_to_the_caller(cert, blob, kernel):
                left.append(name)
            elif cert.status != kernel:
                differ.append((name, cert.status, kernel))
            elif cert.status == 0:
                differ += [(name, field) for field in same_fields(cert, said, blob)]
    print(f"{len(corpus)} blobs, statuses {dict(counted)}, left to the caller: {left}")  # noqa: T201
    assert differ == []
    assert counted[0] >= LEAST
    assert left


def test_what_is_accepted_is_what_another_parser_reads(
    corpus: dict[bytes, str], programs: Path
) -> None:
    """In the parts whose bytes the other parser gives, too."""
    compared = 0
    refused = []
    with running(programs / "x509") as handler, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for blob, name in corpus.items():
            cert = certificate(handler.ask(blob))
            if cert.status:
                continue
            for span in spans_of(cert).values():
                span.of(blob)
            try:
                other = x509.load_der_x509_certificate(blob)
                assert cert.tbs.of(blob) == other.tbs_certificate_bytes
                assert cert.signature.of(blob) == other.signature
                assert int.from_bytes(cert.serial.of(blob), signed=True) == other.serial_number
                assert cert.valid_from == other.not_valid_before_utc.timestamp()
                assert cert.valid_to == other.not_valid_after_utc.timestamp()
                compared += 1
            except (ValueError, x509.InvalidVersion) as error:
                refused.append((name, str(error)))
    print(f"{compared} compared; refused by the other parser: {refused}")  # noqa: T201
    assert compared >= LEAST
    assert len(refused) <= 5
