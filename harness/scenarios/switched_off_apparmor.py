# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on a rival's policy: root removes AppArmor's profiles, or takes another.

Each of them ends in an attack of the corpus. The control is `baseline`, where there is no AppArmor:
it shows that the second half works.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.model.variants import APPARMOR
from harness.model.verdict import Effect
from harness.scenarios.direct import proc_mem_write
from harness.scenarios.registry import PTRACE_CHECK, scenario
from harness.scenarios.rivals import asleep

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

FILES = "/sys/kernel/security/apparmor"
PARAMETERS = "/sys/module/apparmor/parameters"
ATTRIBUTES = "/proc/self/attr"

_switch_off = partial(
    scenario,
    effect=Effect.INTEGRITY,
    surface="apparmor-switched-off",
    answers=("C5", "L5"),
    reach=PTRACE_CHECK,
    needs=("SECURITY_APPARMOR",),
    not_applicable=asleep(APPARMOR, "AppArmor is not active"),
)


def remove_profiles(attacker: Attacker) -> None:
    """Lift the lock on the policy, then remove the profile that root has."""
    _try(attacker, f"{PARAMETERS}/lock_policy", b"N")
    _try(attacker, f"{FILES}/.remove", b"everybody")


def only_complain(attacker: Attacker) -> None:
    """Let all profiles only note what they deny."""
    _try(attacker, f"{PARAMETERS}/mode", b"complain")


def leave_profile(attacker: Attacker) -> None:
    """Take the label of the kernel's tasks, or the profile of its modprobe."""
    for label in (b"unconfined", b"modprobe"):
        _try(attacker, f"{ATTRIBUTES}/current", b"changeprofile " + label)


@_switch_off()
def apparmor_remove(attacker: Attacker, handler: Handler) -> None:
    """Unlock AppArmor's policy, remove root's profile, then overwrite the handler's state."""
    remove_profiles(attacker)
    proc_mem_write(attacker, handler)


@_switch_off()
def apparmor_complain(attacker: Attacker, handler: Handler) -> None:
    """Let AppArmor's profiles only complain, then overwrite the handler's state."""
    only_complain(attacker)
    proc_mem_write(attacker, handler)


@_switch_off()
def apparmor_change_profile(attacker: Attacker, handler: Handler) -> None:
    """Take another profile of AppArmor's, then overwrite the handler's state."""
    leave_profile(attacker)
    proc_mem_write(attacker, handler)


def _try(attacker: Attacker, path: str, text: bytes) -> None:
    with suppress(GuestError):
        attacker.write_file(path, text)
