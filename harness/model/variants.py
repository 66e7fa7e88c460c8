# SPDX-License-Identifier: GPL-2.0-only
"""The variants: a kernel image under some boot parameters is a policy under test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from errno import EINVAL, EKEYREJECTED
from types import MappingProxyType

from harness.model.handlers import HASH, HandlerKind


@dataclass(frozen=True)
class Policy:
    """A security module's policy that an administrator sets against root (C5)."""

    module: str
    """The module's name in `lsm=`. If it takes rules, guest-images/policies/<module>/ has them."""
    option: str
    """The kernel option of the module, without CONFIG_."""
    denials: tuple[str, ...]
    """Kernel functions: one of them is called when the policy refuses, and never else."""
    also: tuple[tuple[str, int], ...] = ()
    """Further refusals, beside EACCES and EPERM at any call: a call and its errno."""
    level: int = 0
    """For lockdown: 1 is integrity, 2 is confidentiality."""
    by_host: bool = False
    """Root loads the rules once the handler answers, before any attack (harness/lab/policy.py). The
    others are in force from boot on."""


SELINUX = Policy("selinux", "SECURITY_SELINUX", denials=("avc_denied", "slow_avc_audit"))
"""Since 6.16 a task caches its permissions on folders; a refusal from there skips the former."""
SMACK = Policy("smack", "SECURITY_SMACK", denials=("common_lsm_audit",))
LOCKDOWN = Policy(
    "lockdown",
    "SECURITY_LOCKDOWN_LSM",
    denials=("security_locked_down",),
    also=(("bpf", EINVAL),),
    level=1,
)
"""No traceable function is called for refusals alone. The hook is called where lockdown may refuse:
an attack that the control shows to work, and that fails after it, was refused. The verifier says
EINVAL about a BPF helper that lockdown forbids."""
YAMA = Policy(
    "yama",
    "SECURITY_YAMA",
    denials=(
        "report_access",
        # What the settings beside Yama refuse, at its entry: they make no note of it.
        *("__x64_sys_init_module", "__x64_sys_finit_module"),
        *("__x64_sys_kexec_load", "__x64_sys_io_uring_setup", "__x64_sys_perf_event_open"),
    ),
    also=(("init_module", EKEYREJECTED), ("finit_module", EKEYREJECTED)),
)
"""Yama, and the other settings that harden a kernel."""
APPARMOR = Policy("apparmor", "SECURITY_APPARMOR", denials=("aa_audit_msg",), by_host=True)
"""The policy has no rule that lets a refusal pass without a message."""
BPF_LSM = Policy("bpf", "BPF_LSM", denials=("bloom_map_push_elem",), by_host=True)
"""The policy notes each refusal in a Bloom filter, and no attack uses another."""
LOCKDOWN_CONFIDENTIALITY = replace(LOCKDOWN, level=2)


@dataclass(frozen=True)
class Variant:
    """A policy under test: a kernel image with boot parameters."""

    name: str
    """The name for `--variant` and for the matrix's columns."""
    cmdline: str
    """The boot parameters that select the policy."""
    summary: str
    """One line for people."""
    protects: bool = False
    """It claims to protect the handler from the system (objective 2 of R13)."""
    confines: bool = False
    """It claims to confine the handler (objective 1 of R13)."""
    debug: bool = False
    """It lets a handler be debugged: ptrace access is allowed (R7)."""
    locked: bool = False
    """It keeps root from writing the kernel, as far as lockdown does (C15)."""
    is_thread: bool = False
    """A kernel thread answers in place of a handler process."""
    kind: HandlerKind = HASH
    """What the handler does."""
    flavour: str = ""
    """The kernel configuration kernel-patches/config/<flavour>.config on top of the line's own;
    empty where boot parameters are enough."""
    rival: Policy | None = None
    """The policy that takes our isolation's place. It promises nothing: what it holds is measured
    (harness/scenarios/rivals.py)."""
    needs: tuple[str, ...] = ()
    """Kernel options without which the kernel is another policy."""
    since: str = ""
    """The first version of Linux for which the policy is written, such as "6.3"; empty for any."""
    writes: tuple[tuple[str, str], ...] = ()
    """Files and their contents: root writes them once the handler answers, before any attack."""
    rehearsed: bool = False
    """Before the files are written, a handler is started again, and its loader loaded again, as
    after each attack: for a policy that learns what it allows. Before an attack from inside, so is
    the handler that makes it."""
    denials: tuple[str, ...] = ()
    """For the policy of a user: kernel functions, one of which is called when it refuses, and never
    else. Then its refusals of any call count, as a rival's do."""
    proposed: bool = False
    """Another author proposed the policy. It claims what its author claims for it; what it loses is
    measured (harness/scenarios/proposals.toml)."""
    like: tuple[str, ...] = ()
    """The variants whose expectations hold, in order, where a scenario does not name this one."""
    origin: tuple[str, ...] = ()
    """The options by which a user brought the variant; empty for one that ships."""

    @property
    def loader(self) -> str:
        """The module that carries the handler's code."""
        return self.kind.thread if self.is_thread else self.kind.loader

    def with_handler(self, kind: HandlerKind) -> Variant:
        """Return the variant with another handler."""
        return replace(
            self,
            kind=kind,
            cmdline=f"{self.cmdline} {kind.parameter}".strip(),
            needs=(*self.needs, kind.option) if kind.option else self.needs,
        )

    @property
    def policy(self) -> Policy | None:
        """The policy whose refusals count: a rival's, or a user's that names its denials."""
        if not self.denials:
            return self.rival
        return Policy(self.name, option="", denials=self.denials)

    @property
    def is_measured(self) -> bool:
        """Whether its expected verdicts are measured, so that no loss is a known hole of ours."""
        return self.proposed or self.rival is not None

    def has_defence(self, name: str) -> bool:
        """Whether boot parameters leave a defence on. A kernel thread needs none, and has all."""
        words = self.cmdline.split()
        only = [word for word in words if word.startswith("umd_only=")]
        chosen = not only or name in only[-1].removeprefix("umd_only=").split(",")
        is_off = not self.is_thread and "umd_isolation=off" in words
        return self.protects and not is_off and chosen and f"umd_without={name}" not in words


_HARDENING = " ".join(
    f"sysctl.{name}={value}"
    for name, value in (
        ("kernel.yama.ptrace_scope", 3),
        ("kernel.kexec_load_disabled", 1),
        ("kernel.io_uring_disabled", 2),
        ("kernel.unprivileged_bpf_disabled", 1),
        ("kernel.kptr_restrict", 2),
        ("kernel.dmesg_restrict", 1),
        ("kernel.perf_event_paranoid", 3),
        ("kernel.sysrq", 0),
        ("fs.suid_dumpable", 0),
        ("net.core.bpf_jit_harden", 2),
        ("vm.unprivileged_userfaultfd", 0),
    )
)
"""The sysctls of `yama`, as boot parameters. `kernel.modules_disabled` is not one of them: the
kernel loads the handler's loader when a handler is asked for."""

VARIANTS = MappingProxyType(
    {
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
                "proposal-mark",
                "umd_isolation=on umd_only=ptrace,locked",
                "the proposal of 2023 to mark the handler as a kernel thread: ptrace access to it "
                "is denied, its memory is locked, and nothing else",
                protects=True,
                proposed=True,
            ),
            Variant(
                "proposal",
                "umd_isolation=on umd_only=access,signals,locked,seccomp",
                "the proposal of 2023 with a small LSM: strict seccomp, ptrace access and signals "
                "denied, memory locked, and nothing else",
                protects=True,
                confines=True,
                proposed=True,
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
                "as isolated, on a kernel that root may not modify: lockdown, and signed modules "
                "(C15)",
                protects=True,
                confines=True,
                locked=True,
            ),
            Variant(
                "kthread",
                "umd_isolation=off umd_witness.kthread=1",
                "the same code answering in a kernel thread: the reference for parity",
                protects=True,
                is_thread=True,
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
                "baseline under Smack: everybody but the kernel has a label that no rule lets near "
                "the kernel's, which the handler has, and nobody has the label that may change "
                "it (C5)",
                rival=SMACK,
            ),
            Variant(
                "apparmor",
                "umd_isolation=off lsm=lockdown,apparmor,bpf",
                "baseline under AppArmor: everybody but the kernel has a profile that shuts off "
                "the kernel's processes and files, and nobody may load another (C5)",
                rival=APPARMOR,
            ),
            Variant(
                "yama",
                f"umd_isolation=off lsm=lockdown,yama,bpf module.sig_enforce=1 {_HARDENING}",
                "baseline with Yama's ptrace_scope=3 and the other settings that harden a kernel: "
                "signed modules, no kexec, no io_uring, nothing for users without privileges",
                rival=YAMA,
                since="6.6",  # kernel.io_uring_disabled
            ),
            Variant(
                "bpf-lsm",
                "umd_isolation=off lsm=lockdown,bpf",
                "baseline under a policy of BPF programs on the hooks of the security modules: no "
                "other process may touch the kernel's, and their links are pinned for good (C5)",
                rival=BPF_LSM,
                since="6.3",  # an argument of inode_setattr
            ),
            Variant(
                "lockdown",
                "umd_isolation=off lockdown=integrity",
                "baseline on a kernel that root may not modify: lockdown, and signed modules",
                rival=LOCKDOWN,
            ),
            Variant(
                "lockdown-confidentiality",
                "umd_isolation=off lockdown=confidentiality",
                "as lockdown, and root may not read the kernel's memory either",
                rival=LOCKDOWN_CONFIDENTIALITY,
            ),
        )
    }
)
"""The variants that ship, by name, in the order of the matrix's columns."""
