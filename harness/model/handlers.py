# SPDX-License-Identifier: GPL-2.0-only
"""The handlers that a run can attack: each is a program, and the same code in a kernel thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType


@dataclass(frozen=True)
class HandlerKind:
    """A handler of the witness (overlay/kernel/umd_witness/)."""

    name: str
    """The name for `--handler`."""
    summary: str
    """One line for people."""
    program: str
    """The program of the handler process. The process is always called as the program of `hash`."""
    loader: str
    """The module that carries the program."""
    thread: str
    """The module with the same code as a kernel thread."""
    parameter: str = ""
    """The boot parameter that selects it; empty for the default."""
    option: str = ""
    """The kernel option that it needs, without CONFIG_; empty for one that is always there."""


HASH = HandlerKind(
    "hash",
    "computes a hash of each request",
    program="umd_witness_umh",
    loader="umd_witness_loader",
    thread="umd_witness_kthread",
)
X509 = HandlerKind(
    "x509",
    "also parses X.509 certificates, with the kernel's own parser",
    program="umd_witness_x509_umh",
    loader="umd_witness_x509",
    thread="umd_witness_x509_kthread",
    parameter="umd_witness.handler=x509",
    option="UMD_WITNESS_X509",
)
PKCS7 = HandlerKind(
    "pkcs7",
    "also parses PKCS#7 messages, with the kernel's own parser",
    program="umd_witness_pkcs7_umh",
    loader="umd_witness_pkcs7",
    thread="umd_witness_pkcs7_kthread",
    parameter="umd_witness.handler=pkcs7",
    option="UMD_WITNESS_PKCS7",
)

RPM = HandlerKind(
    "rpm",
    "also parses headers of RPM packages",
    program="umd_witness_rpm_umh",
    loader="umd_witness_rpm",
    thread="umd_witness_rpm_kthread",
    parameter="umd_witness.handler=rpm",
    option="UMD_WITNESS_RPM",
)

PGP = HandlerKind(
    "pgp",
    "also parses OpenPGP keys and signatures",
    program="umd_witness_pgp_umh",
    loader="umd_witness_pgp",
    thread="umd_witness_pgp_kthread",
    parameter="umd_witness.handler=pgp",
    option="UMD_WITNESS_PGP",
)


def _with_bug(kind: HandlerKind) -> HandlerKind:
    module = f"umd_witness_{kind.name}_overflow"
    return replace(
        kind,
        name=f"{kind.name}-overflow",
        summary=f"{kind.summary}, with a planted bug that a file can exploit",
        program=f"{module}_umh",
        loader=module,
        thread=f"{module}_kthread",
        parameter=f"{kind.parameter}-overflow",
    )


WITH_BUG = MappingProxyType({kind.name: _with_bug(kind) for kind in (X509, PKCS7, PGP, RPM)})
"""The handlers for what a bug allows (harness/studies/parser_bug.py), by the kind of their parser.
No run has them."""

HANDLERS = MappingProxyType({kind.name: kind for kind in (HASH, X509, PKCS7, PGP, RPM)})
"""The kinds by name, the default first."""

DEFAULT_HANDLER = HASH.name

BACKDOOR = "umd_witness_backdoor_umh"
"""The program that the witness puts in place of a handler's own, for attacks from inside."""
