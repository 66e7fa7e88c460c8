# SPDX-License-Identifier: GPL-2.0-only
"""A rival's policy that root loads in the running guest, before any attack."""

from __future__ import annotations

from errno import EACCES, EPERM
from os import O_RDWR
from typing import TYPE_CHECKING

from harness.attacker import GuestError, SetupFailed
from harness.attacker.tools.bpf import BPFFS, PinnedBpfObject
from harness.guests.policies import compile_profiles
from harness.host.errors import VmLost

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.model.variants import Policy

_FORBIDDEN = "/dev/mem"
"""What no policy here lets root open for writing."""
_APPARMOR = "/sys/kernel/security/apparmor"
_LOCK = "/sys/module/apparmor/parameters/lock_policy"
_PROFILE = b"changeprofile everybody"
"""What a task writes to get the profile of everybody (guest-images/policies/apparmor/rules)."""


def load_policy(attacker: Attacker, policy: Policy) -> None:
    """Load the policy, and show that it is in force. Raises VmLost unless it is."""
    try:
        if policy.module == "apparmor":
            _load_apparmor(attacker)
        else:
            _load_bpf(attacker)
    except (GuestError, SetupFailed) as error:
        raise VmLost(f"the policy of {policy.module} does not load: {error}") from error
    try:
        attacker.open(_FORBIDDEN, O_RDWR).close()
        said = "root may open"
    except GuestError as error:
        if error.errno in (EACCES, EPERM):
            return
        said = f"{error} at"
    raise VmLost(f"the policy of {policy.module} is not in force: {said} {_FORBIDDEN}")


def _load_bpf(attacker: Attacker) -> None:
    """Attach the policy's BPF programs, and pin their links."""
    attacker.mount("bpf", BPFFS, "bpf")
    PinnedBpfObject(attacker, "policy").end()


def _load_apparmor(attacker: Attacker) -> None:
    """Load the profiles, let no one load or remove another, and take root's."""
    attacker.write_file(f"{_APPARMOR}/.load", compile_profiles())
    attacker.write_file(_LOCK, b"Y")
    attacker.write_file("/proc/self/attr/current", _PROFILE)
