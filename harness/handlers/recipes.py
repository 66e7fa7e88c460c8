# SPDX-License-Identifier: GPL-2.0-only
"""The shipped handlers: what each is made of, and how much memory it has."""

from __future__ import annotations

from dataclasses import dataclass

_ASYMMETRIC = "crypto/asymmetric_keys"
_X509 = (
    *("lib/asn1_decoder.c", "lib/oid_registry.c"),
    *(f"{_ASYMMETRIC}/x509_cert_parser.c", f"{_ASYMMETRIC}/x509_public_key.c"),
)
_X509_ASN1 = (f"{_ASYMMETRIC}/x509.asn1", f"{_ASYMMETRIC}/x509_akid.asn1")


@dataclass(frozen=True)
class Recipe:
    """What a handler is made of. Paths of the tree are relative to its top."""

    source: str
    """The handler's own file; a name without a slash is one that we ship."""

    tree: tuple[str, ...] = ()
    """The kernel's C files, compiled from the tree."""

    asn1: tuple[str, ...] = ()
    """The kernel's ASN.1 files, for the tree's own compiler."""

    request_size: int = 64 << 10
    """The bytes of the longest request that is parsed."""

    arena_size: int = 64 << 10
    """The bytes that the parser can allocate for one request."""

    @property
    def uses_kernel(self) -> bool:
        """Whether the handler's own file is written for the kernel's headers."""
        return bool(self.tree)


RECIPES = {
    # The parsers copy a certificate's names up to five times: the request's length for each, and
    # 64 KiB for what is allocated beside them.
    "x509": Recipe("x509.c", _X509, _X509_ASN1, arena_size=384 << 10),
    "pkcs7": Recipe(
        "pkcs7.c",
        (*_X509, f"{_ASYMMETRIC}/pkcs7_parser.c"),
        (*_X509_ASN1, f"{_ASYMMETRIC}/pkcs7.asn1"),
        arena_size=512 << 10,
    ),
    "pgp": Recipe("pgp.c", request_size=256 << 10, arena_size=16),
    "rpm": Recipe("rpm.c", request_size=1 << 20, arena_size=16),
}
"""By name, the handlers that we ship."""
