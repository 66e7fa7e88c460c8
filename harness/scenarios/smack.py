# SPDX-License-Identifier: GPL-2.0-only
"""What root may do to switch Smack off, or to get round its labels.

Each gives up CAP_MAC_OVERRIDE first: with it, where the policy is not sealed, root need not change
anything, and the control would show nothing.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from os import O_NONBLOCK, O_RDONLY
from signal import SIGKILL, SIGSTOP
from typing import TYPE_CHECKING

from harness.attacker.capabilities import CAP_MAC_OVERRIDE, lower
from harness.attacker.errors import GuestError
from harness.scenarios.registry import scenario
from harness.variants import SMACK, VARIANTS
from harness.witness.verdict import Effect

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.handler import Handler

UNSEALED = "smack-unsealed"

_SMACKFS = "/sys/fs/smackfs"
_FLOOR = b"_"
_MINE = b"Root"
"""The labels of the handler and of the attacker (guest-images/policies/smack/)."""

_CHANGES = {
    "onlycap": b"-",
    "ptrace": b"0",
    "load-self2": b"Root _ rwxatl\n",
    "load2": b"Root _ rwxatl\n",
    "change-rule": b"Root _ rwxatl -\n",
}
"""What is written to which file of Smack's to undo the policy."""

_switch_off = partial(
    scenario,
    answers=("C5", "L5"),
    control=UNSEALED,
    reach="smack_inode_permission",
    target="system",
    not_applicable={
        v.name: "Smack is asleep: there is nothing to switch off"
        for v in VARIANTS.values()
        if v.rival is None or v.rival.module != SMACK.module
    },
)


def _kill(attacker: Attacker, handler: Handler) -> None:
    attacker.kill(handler.pid, SIGKILL)
    handler.wait_for_request()
    attacker.kill(handler.pid, SIGSTOP)


@_switch_off(effect=Effect.AVAILABILITY, surface="rival-policy-change")
def smack_change_policy(attacker: Attacker, handler: Handler) -> None:
    """Give root's label every access to the handler's, and take all back that forbids it."""
    lower(attacker, CAP_MAC_OVERRIDE)
    for name, text in _CHANGES.items():
        with suppress(GuestError):  # one is enough
            attacker.write_file(f"{_SMACKFS}/{name}", text)
    _kill(attacker, handler)


@_switch_off(effect=Effect.AVAILABILITY, surface="rival-policy-change")
def smack_revoke_subject(attacker: Attacker, handler: Handler) -> None:
    """Take all rules from the kernel's label, so that it finds no module and starts no handler."""
    lower(attacker, CAP_MAC_OVERRIDE)
    attacker.write_file(f"{_SMACKFS}/revoke-subject", _FLOOR)


@_switch_off(effect=Effect.INTEGRITY, surface="rival-policy-relabel")
def smack_own_label(attacker: Attacker, handler: Handler) -> None:
    """Take the handler's own label, and rewrite its reply as it writes it to the kernel."""
    lower(attacker, CAP_MAC_OVERRIDE)
    with suppress(GuestError):
        attacker.write_file(f"{_SMACKFS}/relabel-self", _FLOOR)
    with suppress(GuestError):
        attacker.write_file("/proc/self/attr/current", _FLOOR)
    with attacker.seize(handler.pid) as tracee:
        tracee.run_to_entry("write")
        tracee.poke(handler.symbol("reply"), b"\xff" * 8)


@_switch_off(effect=Effect.AVAILABILITY, surface="rival-policy-relabel")
def smack_relabel_module(attacker: Attacker, handler: Handler) -> None:
    """Give the loader's module root's label, empty it, and have the kernel load it again."""
    lower(attacker, CAP_MAC_OVERRIDE)
    module = f"/lib/modules/{handler.loader}.ko"
    with suppress(GuestError):
        attacker.syscall("setxattr", module, "security.SMACK64", _MINE, len(_MINE), 0)
    attacker.write_file(module, b"")
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)


@_switch_off(effect=Effect.AVAILABILITY, surface="rival-policy-own-instance", control=SMACK.module)
def smack_own_proc(attacker: Attacker, handler: Handler) -> None:
    """Mount a procfs of root's own, whose sysctls have root's label: allow no process any more."""
    place = "/tmp/proc"  # noqa: S108 - the guest's, not ours
    with attacker.setup():
        attacker.mkdir(place)
    attacker.mount("proc", place, "proc")
    limit = attacker.read_file(f"{place}/sys/kernel/threads-max")
    attacker.write_file(f"{place}/sys/kernel/threads-max", b"1")
    handler.restart()
    attacker.write_file(f"{place}/sys/kernel/threads-max", limit)


@_switch_off(
    effect=Effect.INTEGRITY,
    shows="pipes",
    surface="rival-policy-own-instance",
    control=SMACK.module,
)
def smack_drop_own_rules(attacker: Attacker, handler: Handler) -> None:
    """Lose what rules are tied to root's credentials by a keyring, and open the handler's pipe."""
    attacker.run(attacker.payload("pass_keyring"))
    with attacker.open(f"/proc/{handler.pid}/fd/0", O_RDONLY):
        handler.wait_for_request()
