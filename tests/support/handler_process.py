# SPDX-License-Identifier: GPL-2.0-only
"""A handler as a process of the host, asked as the kernel would ask it."""

from __future__ import annotations

import os
import struct
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, fields
from errno import errorcode
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRAME = struct.Struct("<II16s")
MAGIC = 0x46444D55
X509 = struct.Struct("<iIqqII16s8s16s8s30I")
SIGNER = struct.Struct("<IIq8s16s8s10I")
PKCS7 = struct.Struct("<iIIIIIII")
ROOM = 16
"""The certificates and the signers that a reply about a message has room for."""


class Span(NamedTuple):
    """A part of the request."""

    offset: int
    length: int

    def of(self, request: bytes) -> bytes:
        """Return the bytes, once it is checked that they are in the request."""
        assert self.offset + self.length <= len(request)
        return request[self.offset : self.offset + self.length]


@dataclass(frozen=True)
class Certificate:
    """The fields of struct umd_x509 (tools/umd/x509.h)."""

    status: int
    usage: int
    valid_from: int
    valid_to: int
    key_oid: int
    reserved: int
    key_algo: str
    sig_algo: str
    hash_algo: str
    encoding: str
    tbs: Span
    signature: Span
    serial: Span
    issuer: Span
    subject: Span
    key: Span
    params: Span
    skid: Span
    authority_serial: Span
    authority_issuer: Span
    authority_key: Span
    issuer_organisation: Span
    issuer_rest: Span
    subject_organisation: Span
    subject_rest: Span


@dataclass(frozen=True)
class Signer:
    """The fields of struct umd_pkcs7_signer (tools/umd/pkcs7.h)."""

    attributes: int
    reserved: int
    signing_time: int
    sig_algo: str
    hash_algo: str
    encoding: str
    signature: Span
    digest: Span
    authattrs: Span
    serial: Span
    issuer: Span


@dataclass(frozen=True)
class Message:
    """The fields of struct umd_pkcs7."""

    status: int
    version: int
    data_oid: int
    data_header: int
    data: Span
    certs: tuple[Certificate, ...]
    signers: tuple[Signer, ...]


def certificate(reply: bytes) -> Certificate:
    """Read struct umd_x509."""
    return Certificate(*_values(X509, reply, strings=4))


def message(reply: bytes) -> Message:
    """Read struct umd_pkcs7."""
    status, version, oid, header, *data, cert_count, signer_count = PKCS7.unpack_from(reply)
    assert cert_count <= ROOM
    assert signer_count <= ROOM
    certs, signers = reply[PKCS7.size :], reply[PKCS7.size + ROOM * X509.size :]
    return Message(
        *(status, version, oid, header),
        Span(*data),
        tuple(certificate(certs[X509.size * at :]) for at in range(cert_count)),
        tuple(
            Signer(*_values(SIGNER, signers[SIGNER.size * at :], strings=3))
            for at in range(signer_count)
        ),
    )


def _values(layout: struct.Struct, reply: bytes, *, strings: int) -> list[Any]:
    """Return numbers and texts as they are, and each two numbers behind the texts as a span."""
    values = list(layout.unpack_from(reply))
    texts = [value.rstrip(b"\0").decode() for value in values if isinstance(value, bytes)]
    assert len(texts) == strings
    first = next(at for at, value in enumerate(values) if isinstance(value, bytes))
    spans = values[first + strings :]
    pairs = [Span(*spans[at : at + 2]) for at in range(0, len(spans), 2)]
    return [*values[:first], *texts, *pairs]


def spans_of(reply: Certificate | Signer) -> dict[str, Span]:
    """Return the parts of the request that a reply names."""
    found = {one.name: getattr(reply, one.name) for one in fields(reply)}
    return {name: value for name, value in found.items() if isinstance(value, Span)}


SIZES = {
    "x509": X509.size,
    "pkcs7": PKCS7.size + ROOM * (X509.size + SIGNER.size),
    "pgp": 8 + 256 * 96,
    "rpm": 20 + 4096 * 8,
}
"""The length of each handler's reply."""


@dataclass(frozen=True)
class HandlerProcess:
    """A running handler."""

    process: subprocess.Popen[bytes]
    size: int

    def ask(self, request: bytes, *, length: int | None = None) -> bytes:
        """Send a request; return the reply, whose frame is the request's.

        The reply must have this length, by default that of all replies.
        """
        length = self.size if length is None else length
        nonce = os.urandom(16)
        to_handler, from_handler = _pipes(self.process)
        to_handler.write(FRAME.pack(MAGIC, len(request), nonce) + request)
        to_handler.flush()
        frame = from_handler.read(FRAME.size)
        assert frame == FRAME.pack(MAGIC, length, nonce), f"ended: {self.process.poll()}"
        return from_handler.read(length)

    def status(self, request: bytes) -> str:
        """Return the name of the status of the reply to a request, `0` if it is none."""
        reply = self.ask(request)
        (status,) = struct.unpack_from("<i", reply)
        assert status == 0 or reply[4:].strip(b"\0") == b"", "a refusal has nothing else"
        return errno_name(status)


def errno_name(status: int) -> str:
    """Return the name of a negative errno; `0` for none."""
    return errorcode[-status] if status else "0"


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


@contextmanager
def running(program: Path, *before: str, reply_size: int = 0) -> Iterator[HandlerProcess]:
    """Run a handler, as an argument of the program `before` if one is given."""
    size = reply_size or SIZES[program.name]
    with subprocess.Popen(
        [*before, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield HandlerProcess(process, size)
        to_handler, _ = _pipes(process)
        to_handler.close()
        assert process.wait(timeout=60) == 0, "it ends when there are no more requests"
