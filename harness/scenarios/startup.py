# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on how the handler starts: what the *next* start runs or inherits."""

from __future__ import annotations

from errno import EACCES, ENOENT, EPERM
from os import O_RDONLY
from typing import TYPE_CHECKING

from harness.scenarios.registry import scenario
from harness.witness.verdict import Effect

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.handler import Handler


@scenario(
    effect=Effect.INTEGRITY,
    surface="proc-cwd-blob-replace",
    answers=("R4", "C2"),
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ENOENT,),
    no_target_at="security_ptrace_access_check",
    reach="security_ptrace_access_check",
)
def proc_cwd_blob_replace(attacker: Attacker, handler: Handler) -> None:
    """Replace the blob in the private mount, so that the next start runs the attacker's binary."""
    with attacker.setup():
        forged = attacker.read_file(attacker.payload("false_handler"))
    blob = f"/proc/{handler.pid}/cwd/{handler.name}"
    attacker.open(blob, O_RDONLY).close()
    with attacker.setup():
        attacker.unlink(blob)
        attacker.write_file(blob, forged, mode=0o700)
