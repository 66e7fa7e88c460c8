# SPDX-License-Identifier: GPL-2.0-only
"""The rival `smack` on a Debian: its policy is enforced, with systemd's services labelled."""

from __future__ import annotations

from dataclasses import replace
from os import O_WRONLY
from typing import TYPE_CHECKING

import pytest
from rival_guests import console_without_handler

from harness.attacker.agent.errors import GuestError
from harness.engines import ENGINES
from harness.guests.policies import RULES, smack_policy
from harness.host.errors import VmLost
from harness.model.cell import Cell
from harness.model.variants import SMACK
from harness.scenarios.switched_off_smack import ROOT
from harness.witness.enforcing import check_policy

if TYPE_CHECKING:
    from pathlib import Path

    from harness.attacker import Attacker
    from harness.lab.images import BootImages
    from harness.lab.lab import Lab
    from harness.vm.machine import Machine
    from harness.witness.reader import Witness

# At the first one the disk, a kernel and a boot, on a busy host.
pytestmark = pytest.mark.timeout(3600)

BOOT_SECONDS = 300
LABEL = "/proc/self/attr/current"
LOADER = "/usr/lib/modules/umd_witness_loader.ko"
SAID = "/root/said"
PAYLOAD = "burn"


@pytest.fixture(scope="session")
def lab(lab: Lab) -> Lab:
    """The line's images, booted by this engine."""
    image = ENGINES["image"]
    image.check()
    image.make(progress=lambda _: None)
    return replace(lab, engine=image)


@pytest.fixture
def variant() -> str:
    return "smack"


def run_by_systemd(attacker: Attacker, *properties: str) -> bytes:
    """What a service's program says of its label. Raises what `attacker.run` does."""
    # A job of this type is done when the program has ended.
    properties = ("Type=oneshot", f"StandardOutput=file:{SAID}", *properties)
    options = [f"--property={name}" for name in properties]
    attacker.run("/usr/bin/systemd-run", "--quiet", *options, "/bin/cat", LABEL)
    return attacker.read_file(SAID).rstrip(b"\0")


def test_root_has_its_label_and_lives_with_it(attacker: Attacker, images: BootImages) -> None:
    assert attacker.read_file("/proc/1/comm") == b"systemd\n"
    for process in ("1", "self"):
        assert attacker.read_file(f"/proc/{process}/attr/current").rstrip(b"\0") == ROOT
    for path in ("/root/mine", "/tmp/mine", "/etc/mine"):  # noqa: S108 - the guest's, not ours
        attacker.write_file(path, b"mine", mode=0o644)
        assert attacker.read_file(path) == b"mine"
    sent = attacker.read_file(attacker.payload(PAYLOAD))
    assert sent == (images.guest.payloads / PAYLOAD).read_bytes()


def test_what_systemd_starts_is_roots_and_cannot_be_the_kernels(attacker: Attacker) -> None:
    assert run_by_systemd(attacker) == ROOT
    attacker.unlink(SAID)
    with pytest.raises(ChildProcessError, match="systemd-run"):
        run_by_systemd(attacker, "SmackProcessLabel=_")


@pytest.mark.parametrize(
    ("path", "flags"),
    [
        ("/proc/2/comm", 0),
        ("/proc/sys/kernel/threads-max", O_WRONLY),
        ("/sys/kernel/mm/ksm/run", O_WRONLY),
        ("/sys/kernel/tracing/trace", 0),
        ("/sys/fs/cgroup/cgroup.procs", O_WRONLY),
        ("/sys/fs/smackfs/load2", O_WRONLY),
        (LOADER, O_WRONLY),
        ("/usr/sbin/modprobe", O_WRONLY),
        ("/dev/mem", 0),
        ("/dev/vda", 0),
    ],
)
def test_what_root_may_not_open(attacker: Attacker, path: str, flags: int) -> None:
    with pytest.raises(GuestError, match="EACCES at openat"):
        attacker.open(path, flags).close()


def test_the_handler_is_in_no_cgroup_of_systemds_and_comes_to_none(
    attacker: Attacker, witness: Witness
) -> None:
    mine = attacker.read_file("/proc/self/cgroup").decode().strip().removeprefix("0::")
    assert mine == "/others/system.slice/ssh.service"
    with pytest.raises(GuestError, match="EACCES at write"):
        attacker.write_file(f"/sys/fs/cgroup{mine}/cgroup.procs", str(witness.read().pid).encode())
    assert attacker.read_file("/sys/fs/cgroup/others/cgroup.controllers").strip() == b""


def test_the_host_sees_that_the_policy_is_in_force(machine: Machine, images: BootImages) -> None:
    check_policy(SMACK, machine, images.kernel)


def test_the_host_sees_that_it_is_not(lab: Lab) -> None:
    with (
        pytest.raises(VmLost, match="the policy of smack is not draconian in this guest"),
        lab.machine("smack", boot="umd.unsealed"),
    ):
        pass


def test_a_guest_whose_policy_is_damaged_ends(lab: Lab, tmp_path: Path) -> None:
    rules = smack_policy("debian")[f"smack/{RULES}"]
    plain = lab.spec("smack")
    image = plain.initramfs.read_bytes()
    assert image.count(rules) == 1
    damaged = tmp_path / "initramfs.cpio"
    damaged.write_bytes(image.replace(rules, b"?" * len(rules)))
    spec = replace(plain, initramfs=damaged, guest_key="damaged")
    console = console_without_handler(lab, spec, seconds=BOOT_SECONDS)
    assert "the policy does not load" in console


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("nothing", "held"),
        ("host_tamper", "tampered"),
        ("ptrace_seize", "held"),
        ("cgroup_freeze", "held"),
        ("module_replaced", "held"),
        ("bpf_probe_write_user", "tampered"),
        ("smack_change_policy", "held"),
        ("smack_own_label", "held"),
        ("smack_lose_own_rules", "tampered"),
        ("smack_own_node", "tampered"),
    ],
)
def test_attacks_that_it_stops_and_that_it_does_not(lab: Lab, name: str, verdict: str) -> None:
    assert lab.run(Cell(lab.line, "smack", name)).verdict == verdict
