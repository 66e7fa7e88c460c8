# SPDX-License-Identifier: GPL-2.0-only
"""The guest's kernel as the reference: what its own parsers make of blobs, by probes on them."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from handler_process import Span

from harness.attacker.tools.tracefs import TRACING, define, recorded, switch_on

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.attacker import Attacker

X509 = {
    "usage": "$retval->pub->key_eflags",
    "valid_from": "$retval->valid_from",
    "valid_to": "$retval->valid_to",
    "key_oid": "$retval->pub->algo",
    "key_algo": "$retval->pub->pkey_algo:string",
    "sig_algo": "$retval->sig->pkey_algo:string",
    "hash_algo": "$retval->sig->hash_algo:string",
    "encoding": "$retval->sig->encoding:string",
    **{
        f"{name}_{part}": f"$retval->{member}{suffix}"
        for name, member in (
            *(("tbs", "tbs"), ("signature", "raw_sig"), ("serial", "raw_serial")),
            *(("issuer", "raw_issuer"), ("subject", "raw_subject"), ("skid", "raw_skid")),
        )
        for part, suffix in (("at", ""), ("size", "_size"))
    },
    "key_size": "$retval->pub->keylen",
    "params_size": "$retval->pub->paramlen",
    "key_bytes": "+0($retval->pub->key):x8[48]",
    "issuer_text": "+0($retval->issuer):x8[48]",
    "subject_text": "+0($retval->subject):x8[48]",
}
"""What is fetched of each certificate that x509_cert_parse() returns."""

SIGNERS = 3
"""So many signers of a message are fetched."""

_SIGNER = {
    "next": "{}->next",
    "attributes": "{}->aa_set",
    "signing_time": "{}->signing_time",
    "sig_algo": "{}->sig->pkey_algo:string",
    "hash_algo": "{}->sig->hash_algo:string",
    "encoding": "{}->sig->encoding:string",
    "digest_at": "{}->msgdigest",
    "digest_size": "{}->msgdigest_len",
    "authattrs_at": "{}->authattrs",
    "authattrs_size": "{}->authattrs_len",
    "signature_size": "{}->sig->s_size",
    "signature_bytes": "+0({}->sig->s):x8[48]",
}

PKCS7 = {
    "version": "$retval->version",
    "data_oid": "$retval->data_type",
    "data_at": "$retval->data",
    "data_size": "$retval->data_len",
    "data_header": "$retval->data_hdrlen",
    **{
        f"{name}_{at}": what.format("$retval->signed_infos" + at * "->next")
        for at in range(SIGNERS)
        for name, what in _SIGNER.items()
    },
}
"""What is fetched of each message that pkcs7_parse_message() returns, and of its first signers."""

_FIELD = re.compile(r'(\w+)=("[^"]*"|\{[^}]*\}|\S+)')
_CHUNK = 400
"""Blobs between two readings of the trace."""


def kernel_says(
    attacker: Attacker, program: Path, how: str, blobs: Sequence[bytes]
) -> list[Mapping[str, str]]:
    """Have the guest's kernel parse the blobs. Return what each probe recorded, in their order.

    `ret` is the function's result and `data` the address of the blob, as the function got them.
    """
    function, fetched = {
        "keys": ("x509_cert_parse", X509),
        "modules": ("pkcs7_parse_message", PKCS7),
    }[how]
    place, listed = "/tmp/ask_kernel", "/tmp/blobs"  # noqa: S108 - the guest's
    attacker.write_file(place, program.read_bytes(), mode=0o755)
    attacker.write_file(f"{TRACING}/buffer_size_kb", b"8192")
    arguments = " ".join(f"{name}={what}" for name, what in fetched.items())
    define(
        attacker, "kprobe", f"r:asked/{how} {function} ret=$retval:x64 data=$arg1:x64 {arguments}"
    )
    switch_on(attacker, f"asked/{how}")
    found: list[Mapping[str, str]] = []
    for at in range(0, len(blobs), _CHUNK):
        part = blobs[at : at + _CHUNK]
        content = b"".join(struct.pack("<I", len(blob)) + blob for blob in part)
        attacker.write_file(listed, content, mode=0o644)
        attacker.write_file(f"{TRACING}/trace", b"")
        attacker.run(place, how, listed)
        said = [dict(_FIELD.findall(line)) for line in recorded(attacker, how)]
        assert len(said) == len(part), "the probe saw each blob"
        found += said
    return found


def status(said: Mapping[str, str]) -> int:
    """Return the negative errno that the function returned; 0 for a structure."""
    result = int(said["ret"], 16) - (1 << 64)
    return result if result >= -4095 else 0


def part(said: Mapping[str, str], name: str) -> Span:
    """Return the part of the request that a pointer and a size of the structure are."""
    at = int(said[f"{name}_at"], 0)
    if not at:
        return Span(0, 0)
    return Span(at - int(said["data"], 16), int(said[f"{name}_size"], 0))


def signer(said: Mapping[str, str], at: int) -> Mapping[str, str]:
    """Return what was fetched of a signer that the message has."""
    return {"data": said["data"], **{name: said[f"{name}_{at}"] for name in _SIGNER}}


def content(said: Mapping[str, str], name: str) -> bytes:
    """Return the first bytes of what a pointer of the structure points to."""
    return bytes(int(byte, 16) for byte in said[name].strip("{}").split(","))


def text(said: Mapping[str, str], name: str) -> str:
    """Return a string of the structure."""
    return said[name].strip('"')
