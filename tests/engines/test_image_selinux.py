# SPDX-License-Identifier: GPL-2.0-only
"""`selinux` on the image engine: Debian's policy with ours is enforced, or the cell is an error."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from errno import EACCES, EPERM
from functools import partial
from os import O_RDWR
from typing import TYPE_CHECKING

import pytest
from rival_guests import booted

from harness.attacker import Attacker, Channel, GuestError
from harness.engines import ENGINES
from harness.guests.debian import debian_image
from harness.guests.policies import POLICY_VERSION
from harness.host.errors import VmLost
from harness.model.variants import SELINUX
from harness.scenarios import switched_off
from harness.vm.disk import Disk
from harness.vm.machine import Machine
from harness.witness.enforcing import check_policy
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.lab.lab import Lab
    from harness.vm.spec import MachineSpec

# At the first one the disk, a kernel and a boot, on a busy host.
pytestmark = pytest.mark.timeout(3600)

IMAGE = ENGINES["image"]
BOOT_SECONDS = 600.0
POLICY = f"/etc/selinux/default/policy/policy.{POLICY_VERSION}"
SERVICES = ("ssh.service", "umd-guest.service")


@pytest.fixture(scope="session")
def image_lab(lab: Lab) -> Lab:
    """The line's images, booted by this engine."""
    IMAGE.check()
    IMAGE.make(progress=lambda _: None)
    return replace(lab, engine=IMAGE)


@contextmanager
def root_of(lab: Lab) -> Iterator[tuple[Machine, Attacker, int]]:
    """A guest of the rival, root in it, and the handler's pid."""
    with lab.machine("selinux") as machine, Channel(machine.agent_socket()) as channel:
        yield machine, Attacker(channel, lab.guest), Witness(machine, lab.image).read().pid


def permissive(spec: MachineSpec) -> MachineSpec:
    """The same machine, whose SELinux only says what it would refuse."""
    return replace(spec, cmdline=spec.cmdline.replace("enforcing=1", "enforcing=0"))


def refused(act: Callable[[], object]) -> int | None:
    with pytest.raises(GuestError) as error:
        act()
    return error.value.errno


def debugfs(disk: Path, *orders: str) -> None:
    subprocess.run(["debugfs", "-w", "-f", "-", disk], input="\n".join(orders).encode(), check=True)


def test_it_is_enforcing_and_keeps_unconfined_root_off(image_lab: Lab) -> None:
    with root_of(image_lab) as (machine, attacker, pid):
        check_policy(SELINUX, machine, image_lab.image)
        domain = attacker.read_file("/proc/self/attr/current")
        assert domain.startswith(b"unconfined_u:unconfined_r:unconfined_t:")
        assert attacker.read_file("/proc/1/attr/current").startswith(b"system_u:system_r:init_t:")
        assert refused(lambda: attacker.open(f"/proc/{pid}/mem", O_RDWR)) == EACCES
        assert refused(lambda: attacker.kill(pid, 9)) == EACCES
        assert refused(lambda: attacker.read_file(f"/proc/{pid}/stat")) == EACCES
        assert refused(lambda: attacker.write_file("/sys/fs/selinux/enforce", b"0")) == EACCES


def test_the_ways_to_modprobe_and_the_loaders_are_closed(image_lab: Lab) -> None:
    with root_of(image_lab) as (_, attacker, _):
        for path in ("/usr/sbin/modprobe", "/usr/lib/modules/umd_witness_loader.ko"):
            assert refused(partial(attacker.write_file, path, b"")) == EACCES
            assert refused(partial(attacker.rename, path, "/root/away")) == EACCES
        for path in ("/sbin", "/usr/sbin", "/lib", "/usr/lib", "/usr/lib/modules", "/usr"):
            assert refused(partial(attacker.rename, path, f"{path}.away")) == EACCES
        for path in ("/usr", "/usr/lib/modules"):
            assert refused(partial(attacker.mount, "none", path, "tmpfs")) == EACCES


def test_root_still_works_and_every_service_came_up(image_lab: Lab) -> None:
    with root_of(image_lab) as (_, attacker, _):
        attacker.write_file("/root/file", b"text", mode=0o644)
        attacker.write_file("/etc/file", b"text", mode=0o644)
        attacker.mkdir("/root/folder")
        attacker.mount("none", "/root/folder", "tmpfs")
        busy = attacker.spawn(attacker.payload("burn"))
        attacker.kill(busy, 9)
        assert attacker.waitpid(busy)[0] == busy
        child = attacker.fork()
        with attacker.seize(child):
            attacker.read_file(f"/proc/{child}/status")
        for service in SERVICES:
            attacker.run("/usr/bin/systemctl", "is-active", "--quiet", service)


def test_root_tells_systemd_nothing(image_lab: Lab) -> None:
    with root_of(image_lab) as (_, attacker, _):
        for order in ("daemon-reload", "stop ssh.service", "start umd-guest.service"):
            with pytest.raises(ChildProcessError):
                attacker.run("/usr/bin/systemctl", *order.split())
        unit = "/etc/systemd/system/mine.service"
        assert refused(lambda: attacker.write_file(unit, b"", mode=0o644)) == EACCES
        assert refused(lambda: attacker.kill(1, 1)) in (EACCES, EPERM)


def test_another_policy_switches_it_off_where_one_may_be_loaded(image_lab: Lab) -> None:
    spec = permissive(image_lab.spec("selinux"))
    with booted(image_lab, spec, seconds=BOOT_SECONDS) as (machine, witness, attacker):
        with pytest.raises(VmLost, match="selinux is not enforcing in this guest"):
            check_policy(SELINUX, machine, image_lab.image)
        switched_off.load_permissive_root(attacker)
        attacker.write_file(f"{switched_off.SELINUXFS}/enforce", b"1")
        check_policy(SELINUX, machine, image_lab.image)
        attacker.open(f"/proc/{witness.read().pid}/mem", O_RDWR).close()
        switched_off.load_policy_of_all(attacker)
        attacker.open(f"/proc/{witness.read().pid}/mem", O_RDWR).close()


def test_a_guest_whose_policy_is_damaged_never_has_a_handler(
    image_lab: Lab, tmp_path: Path
) -> None:
    spec = image_lab.spec("selinux")
    made = debian_image(progress=pytest.fail)
    disk, rules = tmp_path / "disk.raw", tmp_path / "rules"
    subprocess.run(["cp", "--sparse=always", made.base, disk], check=True)
    disk.chmod(0o644)
    debugfs(disk, f"dump {POLICY} {rules}", f"rm {POLICY}")
    rules.write_bytes(rules.read_bytes()[: rules.stat().st_size // 2])
    folder, _, name = POLICY.rpartition("/")
    debugfs(disk, f"cd {folder}", f"write {rules} {name}")
    damaged = replace(spec, disk=Disk(disk, made.empty), guest_key="damaged")
    with Machine.boot(damaged, image_lab.accelerator) as machine:
        witness = Witness(machine, image_lab.image)
        witness.appear(seconds=BOOT_SECONDS)
        deadline = time.monotonic() + BOOT_SECONDS
        while "Failed to load SELinux policy" not in machine.console():
            assert time.monotonic() < deadline, machine.console()
            time.sleep(1)
        with pytest.raises(VmLost):
            witness.wait(lambda t: t.count.right > 0, seconds=60, what="right reply")
