# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on a rival's policy: root switches SELinux off, or leaves its domain.

Each of them ends in an attack of the corpus, which must succeed afterwards. The control is
`baseline`, where there is no SELinux: it shows that the second half works. A permissive guest
shows that the first half works where it is allowed (tests/system/test_selinux.py).
"""

from __future__ import annotations

import bz2
import re
from functools import partial
from mmap import MAP_PRIVATE, PROT_READ
from os import O_RDONLY, O_WRONLY
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.guests.policies import REFERENCE, compile_cil, compile_on_reference, selinux_sources
from harness.model.variants import SELINUX
from harness.model.verdict import Effect
from harness.scenarios.direct import proc_mem_write
from harness.scenarios.registry import PTRACE_CHECK, scenario
from harness.scenarios.restarts import restart_without_threads
from harness.scenarios.rivals import asleep
from harness.scenarios.whole_kernel import module_replaced

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.witness.handler import Handler

SELINUXFS = "/sys/fs/selinux"
LABEL = "security.selinux"
KERNEL = f"{SELINUXFS}/initial_contexts/kernel"
PROC = "/tmp/proc"  # noqa: S108 - the guest's, not ours
RULES = "/tmp/rules"  # noqa: S108 - the guest's, not ours
LABEL_MAX = 256
MNT_DETACH = 2
COMPILING = 600.0
"""How many seconds an attack may take that compiles Debian's policy on a busy host."""
_DENIAL = re.compile(r"^\((?:deny|neverallow) .*\n", re.MULTILINE)
"""The rules by which our policy restricts the one that it is built on, each on its own line."""

_ASLEEP = asleep(SELINUX, "SELinux is not active")

_switch = partial(
    scenario,
    effect=Effect.INTEGRITY,
    surface="selinux-switched-off",
    answers=("C5", "L5"),
    reach=PTRACE_CHECK,
    needs=("SECURITY_SELINUX",),
    not_applicable=_ASLEEP,
)


def is_awake(attacker: Attacker) -> bool:
    """Whether SELinux is active."""
    return "selinux" in attacker.listdir("/sys/fs")


def label_of(attacker: Attacker, path: str) -> bytes:
    """Return a file's label in the form that setxattr(2) takes."""
    label = bytearray(LABEL_MAX)
    size = attacker.syscall("getxattr", path, LABEL, label, LABEL_MAX)
    return bytes(label[:size])


def set_enforcing(attacker: Attacker) -> None:
    """Switch SELinux to permissive mode, in which it only logs denials."""
    attacker.write_file(f"{SELINUXFS}/enforce", b"0")


def load_policy_of_all(attacker: Attacker) -> None:
    """Load our policy without its restrictions, so that root may do everything."""
    load_policy(attacker, lambda rules: _DENIAL.sub("", rules))


def load_permissive_root(attacker: Attacker) -> None:
    """Load our policy with one more line that makes root's domain permissive."""
    domain = attacker.read_file("/proc/self/attr/current").decode().split(":")[2].rstrip("\0")
    load_policy(attacker, lambda rules: rules, more=f"(typepermissive {domain})\n")


def load_policy(attacker: Attacker, edit: Callable[[str], str], *, more: str = "") -> None:
    """Edit the sources of the guest's policy, compile them and load the result into the kernel."""
    is_debian = "selinux" in attacker.listdir("/etc")
    with TemporaryDirectory() as scratch:
        sources = [Path(scratch) / "added.cil"]
        sources[0].write_text(more)
        for source in selinux_sources("debian" if is_debian else "microvm"):
            sources.append(Path(scratch) / source.name)
            sources[-1].write_text(edit(source.read_text()))
        if is_debian:
            reference = bz2.decompress(attacker.read_file(REFERENCE))
            rules = compile_on_reference(reference, *sources)
        else:
            rules = compile_cil(*sources)
    attacker.write_file(RULES, rules, mode=0o600)
    with attacker.open(RULES, O_RDONLY) as file:
        place = attacker.syscall("mmap", 0, len(rules), PROT_READ, MAP_PRIVATE, file.fd, 0)
    with attacker.open(f"{SELINUXFS}/load", O_WRONLY) as load:
        attacker.syscall("write", load.fd, place, len(rules))  # takes a policy in one write only


def enter_kernel_domain(attacker: Attacker) -> None:
    """Enter the domain of the kernel's threads."""
    domain = attacker.read_file(KERNEL)
    attacker.write_file("/proc/thread-self/attr/current", domain)


@_switch()
def selinux_setenforce(attacker: Attacker, handler: Handler) -> None:
    """Switch SELinux to permissive (setenforce 0), then overwrite the handler's state."""
    if is_awake(attacker):
        set_enforcing(attacker)
    proc_mem_write(attacker, handler)


@_switch(seconds=COMPILING)
def selinux_load_policy(attacker: Attacker, handler: Handler) -> None:
    """Load a policy that denies root nothing, then overwrite the handler's state."""
    if is_awake(attacker):
        load_policy_of_all(attacker)
    proc_mem_write(attacker, handler)


@_switch(seconds=COMPILING)
def selinux_permissive_root(attacker: Attacker, handler: Handler) -> None:
    """Load the policy with root's domain permissive, then overwrite the handler's state."""
    if is_awake(attacker):
        load_permissive_root(attacker)
    proc_mem_write(attacker, handler)


@_switch()
def selinux_setcon(attacker: Attacker, handler: Handler) -> None:
    """Enter the kernel's domain (setcon), then overwrite the handler's state."""
    if is_awake(attacker):
        enter_kernel_domain(attacker)
    proc_mem_write(attacker, handler)


@_switch(effect=Effect.AVAILABILITY, reach="security_task_kill")
def selinux_setexeccon(attacker: Attacker, handler: Handler) -> None:
    """Execute a program in the kernel's domain (runcon). It sends SIGKILL to the handler."""
    if is_awake(attacker):
        attacker.write_file("/proc/thread-self/attr/exec", attacker.read_file(KERNEL))
    attacker.run("/bin/busybox", "kill", "-9", str(handler.pid))
    handler.wait_for_request()


@_switch(whole_kernel=True, reach="security_kernel_read_file", target="start")
def selinux_relabel(attacker: Attacker, handler: Handler) -> None:
    """Give the loader the label of root's files (chcon), then replace the loader."""
    if is_awake(attacker):
        label = label_of(attacker, "/tmp")  # noqa: S108 - the guest's, not ours
        path = f"/lib/modules/{handler.loader}.ko"
        attacker.syscall("setxattr", path, LABEL, label, len(label), 0)
    module_replaced(attacker, handler)


@_switch(effect=Effect.AVAILABILITY, reach=None, through="proc_dointvec_minmax", target="start")
def selinux_context_mount(attacker: Attacker, handler: Handler) -> None:
    """Mount another /proc with the label of root's files, then lower kernel.threads-max."""
    options = ""
    with attacker.setup():
        attacker.mkdir(PROC)
    if is_awake(attacker):
        label = label_of(attacker, "/tmp").rstrip(b"\0").decode()  # noqa: S108 - the guest's
        options = f"context={label}"
    attacker.mount("none", PROC, "proc", 0, options)
    restart_without_threads(attacker, handler, proc=PROC)


@_switch(
    effect=Effect.NONE,
    control="selinux",
    reach="avc_denied",
    target="system",
    not_applicable={**_ASLEEP, "baseline": "SELinux is not active"},
)
def selinux_other_knobs(attacker: Attacker, handler: Handler) -> None:
    """Write to older knobs of selinuxfs and unmount it, then overwrite the handler's state."""
    for name in ("checkreqprot", "disable", "commit_pending_bools", "user"):
        _try(attacker, f"{SELINUXFS}/{name}")
    attacker.syscall("umount2", SELINUXFS, MNT_DETACH)  # systemd has files in it open
    handler.restart()
    proc_mem_write(attacker, handler)


def _try(attacker: Attacker, path: str) -> None:
    """Write to a file, and ignore a missing file or a refusal."""
    try:
        attacker.write_file(path, b"1")
    except GuestError:
        return
