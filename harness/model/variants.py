# SPDX-License-Identifier: GPL-2.0-only
"""The variants: a kernel image under some boot parameters is a policy under test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """What an administrator sets against root in place of our isolation (C5).

    `module` is the security module that enforces it, by its name in `lsm=`; its rules lie in
    guest-images/policies/<module>/. `denials` are the kernel functions one of which the module
    calls when its rules do not allow what is asked, and which it calls at no other time.
    """

    module: str
    denials: tuple[str, ...]


SELINUX = Policy("selinux", denials=("avc_denied", "slow_avc_audit"))
"""Since 6.16 a task remembers what it may do with folders, and is refused without the former."""
SMACK = Policy("smack", denials=("common_lsm_audit",))


@dataclass(frozen=True)
class Variant:
    """A policy under test: the boot parameters that select it and what they mean.

    `protects` it from the system (objective 2 of R13), `confines` what it may do itself
    (objective 1); `debug` opens what ptrace's check guards again (R7); `locked` keeps root out of
    the kernel itself, as far as lockdown does (C15). `handler` names the
    handler's program, or is empty where a kernel thread answers; `loader` is its module.
    `flavour` names the kernel's configuration (kernel-patches/config/<flavour>.config on top of
    the line's own), or is empty where boot parameters are enough. `rival` is the policy that
    takes our isolation's place: what such a variant holds is not promised but measured
    (harness/scenarios/rivals.py). `needs` are kernel options without which it is nothing;
    `writes` are files and what is written to them, by root and before anything attacks, once the
    handler answers; `origin` are the options by which a user brought it.
    """

    name: str
    cmdline: str
    summary: str
    protects: bool = False
    confines: bool = False
    debug: bool = False
    locked: bool = False
    handler: str = "umd_witness_umh"
    loader: str = "umd_witness_loader"
    flavour: str = ""
    rival: Policy | None = None
    needs: tuple[str, ...] = ()
    writes: tuple[tuple[str, str], ...] = ()
    origin: tuple[str, ...] = ()


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(
            "baseline", "umd_isolation=off", "the management library, no isolation code active"
        ),
        Variant(
            "seccomp-strict",
            "umd_isolation=seccomp-strict",
            "strict seccomp, set by the kernel before the handler runs, and nothing else",
            confines=True,
        ),
        Variant(
            "seccomp-filter",
            "umd_isolation=seccomp-filter",
            "a seccomp filter that also allows close and exit_group, and nothing else",
            confines=True,
        ),
        Variant(
            "isolated",
            "umd_isolation=on",
            "strict seccomp; the umd LSM, and the kernel where there is no hook, keep others "
            "off as from a kernel thread; memory locked, nothing inherited, no capabilities",
            protects=True,
            confines=True,
        ),
        Variant(
            "isolated-debug",
            "umd_isolation=on",
            "as isolated, on a kernel configured to let a handler be debugged (R7)",
            protects=True,
            confines=True,
            debug=True,
            flavour="debug",
        ),
        Variant(
            "isolated-lockdown",
            "umd_isolation=on lockdown=integrity",
            "as isolated, on a kernel that root may not modify: lockdown, and signed modules (C15)",
            protects=True,
            confines=True,
            locked=True,
        ),
        Variant(
            "kthread",
            "umd_isolation=off umd_witness.kthread=1",
            "the same code answering in a kernel thread: the reference for parity",
            protects=True,
            handler="",
            loader="umd_witness_kthread",
        ),
        Variant(
            "selinux",
            "umd_isolation=off lsm=lockdown,selinux,bpf enforcing=1",
            "baseline under SELinux: a policy of its own shuts the handler off from everybody, "
            "unconfined root included, and keeps root from switching it off (C5)",
            rival=SELINUX,
        ),
        Variant(
            "smack",
            "umd_isolation=off lsm=lockdown,smack,bpf",
            "baseline under Smack: everybody but the kernel has a label that no rule lets near the "
            "kernel's, which the handler has, and nobody has the label that may change it (C5)",
            rival=SMACK,
        ),
    )
}
