# SPDX-License-Identifier: GPL-2.0-only
"""The rival `smack`: its policy is enforced, and sealed against changes by root."""

from __future__ import annotations

from contextlib import contextmanager
from os import O_RDWR, O_WRONLY
from signal import SIGKILL
from typing import TYPE_CHECKING

import pytest
from rival_guests import booted

from harness.attacker.agent.errors import GuestError
from harness.attacker.tools.capabilities import CAP_MAC_OVERRIDE, lower
from harness.host.errors import VmLost
from harness.model.cell import Cell
from harness.model.variants import SMACK, VARIANTS
from harness.scenarios.switched_off_smack import (
    ROOT,
    change_policy,
    relabel,
    take_floor_label,
)
from harness.witness.enforcing import check_policy
from harness.witness.handler import Handler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.attacker import Attacker
    from harness.lab.images import BootImages
    from harness.lab.lab import Lab
    from harness.vm.machine import Machine

BOOT_SECONDS = 300
LOADER = "/lib/modules/umd_witness_loader.ko"


@pytest.fixture
def variant() -> str:
    return "smack"


def test_root_has_its_label_and_lives_with_it(attacker: Attacker) -> None:
    assert attacker.read_file("/proc/self/attr/current").rstrip(b"\0") == ROOT
    with attacker.open("/dev/null", O_RDWR) as null:
        null.write(b"anything")
    assert attacker.read_file("/proc/meminfo")
    assert attacker.read_file(LOADER)
    attacker.write_file("/tmp/mine", b"mine", mode=0o644)  # noqa: S108 - the guest's, not ours
    assert attacker.read_file("/tmp/mine") == b"mine"  # noqa: S108
    attacker.run("/bin/busybox", "true")


@pytest.mark.parametrize(
    ("path", "flags"),
    [
        ("/proc/1/maps", 0),
        ("/proc/2/comm", 0),
        ("/proc/sys/kernel/threads-max", O_WRONLY),
        ("/sys/kernel/mm/ksm/run", O_WRONLY),
        ("/sys/kernel/tracing/trace", 0),
        ("/sys/fs/cgroup/cgroup.procs", O_WRONLY),
        (LOADER, O_WRONLY),
        ("/sbin/modprobe", O_WRONLY),
        ("/dev/mem", 0),
        *((f"/sys/fs/smackfs/{name}", O_WRONLY) for name in ("load2", "load-self2", "onlycap")),
    ],
)
def test_what_root_may_not_open(attacker: Attacker, path: str, flags: int) -> None:
    with pytest.raises(GuestError, match="EACCES at openat"):
        attacker.open(path, flags).close()


def test_labels_outlast_the_inodes_that_have_them(attacker: Attacker) -> None:
    """The root of all cgroups forgets them, and sysfs is set up anew if nobody has it mounted."""
    for place in ("/sys/fs/cgroup", "/sys/fs/smackfs", "/sys"):
        attacker.syscall("umount2", place, 2)  # MNT_DETACH
    attacker.mount("none", "/sys", "sysfs")
    attacker.mount("none", "/sys/fs/cgroup", "cgroup2")
    for path in ("/sys/fs/cgroup/cgroup.procs", "/sys/kernel/mm/ksm/run"):
        with pytest.raises(GuestError, match="EACCES at openat"):
            attacker.open(path, O_WRONLY).close()
    with pytest.raises(GuestError, match="EACCES at mkdir"):
        attacker.mkdir("/sys/fs/cgroup/mine")


def test_root_gets_no_other_label(attacker: Attacker) -> None:
    for label in (b"_", b"Nobody", b"System"):
        with pytest.raises(GuestError, match="EPERM at write"):
            attacker.write_file("/proc/self/attr/current", label)
    with pytest.raises(GuestError, match="EPERM at setxattr"):
        relabel(attacker, LOADER)


def test_the_host_sees_that_the_policy_is_in_force(machine: Machine, images: BootImages) -> None:
    check_policy(SMACK, machine, images.kernel)


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("nothing", "held"),
        ("host_tamper", "tampered"),
        ("ptrace_seize", "held"),
        ("kill_family", "held"),
        ("seize_at_start", "held"),
        ("bpf_probe_write_user", "tampered"),
        ("smack_own_label", "held"),
        ("smack_change_policy", "held"),
        ("smack_lose_own_rules", "tampered"),
        ("smack_own_node", "tampered"),
    ],
)
def test_attacks_that_it_stops_and_that_it_does_not(lab: Lab, name: str, verdict: str) -> None:
    assert lab.run(Cell(lab.line, "smack", name)).verdict == verdict


@contextmanager
def unsealed(lab: Lab) -> Iterator[tuple[Attacker, Handler]]:
    """A guest whose policy root may still change."""
    spec = lab.spec("smack", boot="umd.unsealed")
    with booted(lab, spec, seconds=BOOT_SECONDS) as (machine, witness, attacker):
        with pytest.raises(VmLost, match="the policy of smack is not draconian in this guest"):
            check_policy(SMACK, machine, lab.image)
        yield attacker, Handler(VARIANTS["smack"], machine, lab.image, witness)


def test_what_is_tried_would_switch_it_off_if_it_were_allowed(lab: Lab) -> None:
    with unsealed(lab) as (attacker, handler):
        change_policy(attacker)
        relabel(attacker, LOADER)
        lower(attacker, CAP_MAC_OVERRIDE)  # from here on the labels and rules alone decide
        with pytest.raises(GuestError, match="EACCES at openat"):
            attacker.open("/sbin/modprobe", O_WRONLY)
        attacker.open(LOADER, O_WRONLY).close()
        attacker.kill(handler.pid, SIGKILL)
        take_floor_label(attacker)
        assert attacker.read_file("/proc/self/attr/current").rstrip(b"\0") == b"_"
