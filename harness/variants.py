# SPDX-License-Identifier: GPL-2.0-only
"""The variants: one kernel image under different boot parameters is a policy under test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """A policy under test: the boot parameters that select it and what they mean.

    `handler` names the handler's program, or is empty where a kernel thread answers.
    """

    name: str
    cmdline: str
    summary: str
    handler: str = "umd_witness_umh"


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(
            "baseline", "umd_isolation=off", "the management library, no isolation code active"
        ),
        Variant(
            "isolated", "umd_isolation=on", "the umd LSM denies ptrace access, READ and ATTACH"
        ),
        Variant(
            "kthread",
            "umd_isolation=off umd_witness.kthread=1",
            "the same code answering in a kernel thread: the reference for parity",
            handler="",
        ),
    )
}
