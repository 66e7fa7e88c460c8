# SPDX-License-Identifier: GPL-2.0-only
"""The rival `apparmor`: everybody has a profile but the kernel's own, which the handler is, too."""

from __future__ import annotations

from os import O_RDWR, O_WRONLY
from typing import TYPE_CHECKING

import pytest

from harness.attacker.agent.errors import GuestError
from harness.scenarios.switched_off_apparmor import (
    FILES,
    leave_profile,
    only_complain,
    remove_profiles,
)

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.reader import Witness

MINE = "/proc/self/attr/current"
SHUT = ("/dev/mem", "/proc/sys/kernel/threads-max", "/sys/kernel/mm/ksm/run", "/sbin/modprobe")


@pytest.fixture
def variant() -> str:
    return "apparmor"


def test_root_has_a_profile_and_the_handler_has_none(attacker: Attacker, witness: Witness) -> None:
    """No profile attaches to the handler, though one attaches to every path."""
    handler = witness.read().pid
    assert attacker.read_file(MINE).strip() == b"everybody (enforce)"
    assert attacker.read_file(f"/proc/{handler}/attr/current").strip() == b"unconfined"
    for path in SHUT:
        with pytest.raises(GuestError, match="EACCES at openat"):
            attacker.open(path, O_WRONLY).close()
    with pytest.raises(GuestError, match="EACCES at openat"):
        attacker.open(f"/proc/{handler}/mem", O_RDWR).close()
    for change in (remove_profiles, only_complain, leave_profile):
        change(attacker)
        assert attacker.read_file(MINE).strip() == b"everybody (enforce)"
    with pytest.raises(GuestError, match="EACCES at openat"):
        attacker.open(f"{FILES}/.load", O_WRONLY).close()
    attacker.run("/bin/busybox", "true")
