# SPDX-License-Identifier: GPL-2.0-only
"""The variants: one kernel image under different boot parameters is a policy under test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """A policy under test: the boot parameters that select it and what they mean.

    `protects` it from the system (objective 2 of R13), `confines` what it may do itself
    (objective 1); `debug` opens what ptrace's check guards again (R7). `handler` names the
    handler's program, or is empty where a kernel thread answers; `loader` is its module.
    """

    name: str
    cmdline: str
    summary: str
    protects: bool = False
    confines: bool = False
    debug: bool = False
    handler: str = "umd_witness_umh"
    loader: str = "umd_witness_loader"


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(
            "baseline", "umd_isolation=off", "the management library, no isolation code active"
        ),
        Variant(
            "isolated",
            "umd_isolation=on",
            "the umd LSM denies ptrace access, READ and ATTACH",
            protects=True,
        ),
        Variant(
            "kthread",
            "umd_isolation=off umd_witness.kthread=1",
            "the same code answering in a kernel thread: the reference for parity",
            protects=True,
            handler="",
            loader="umd_witness_kthread",
        ),
    )
}
