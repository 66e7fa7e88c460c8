# SPDX-License-Identifier: GPL-2.0-only
"""The rival `selinux`: its policy is enforced, or the variant is refused; its claims are true."""

from __future__ import annotations

from dataclasses import replace
from errno import EACCES, EPERM
from os import O_RDONLY, O_RDWR
from typing import TYPE_CHECKING

import pytest
from rival_guests import booted, console_without_handler

from harness.attacker import GuestError
from harness.guests.policies import RULES, policies
from harness.host.errors import VmLost
from harness.model.variants import SELINUX
from harness.scenarios import switched_off
from harness.witness.enforcing import check_policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.vm.machine import Machine
    from harness.witness.reader import Witness

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

BOOT_SECONDS = 240.0
KERNEL = b"system:system_r:kernel_t"
HANDLER = b"system:system_r:umd_handler_t"


@pytest.fixture
def variant() -> str:
    """The rival."""
    return "selinux"


def permissive(lab: Lab) -> AbstractContextManager[tuple[Machine, Witness, Attacker]]:
    """A guest whose SELinux only says what it would refuse."""
    return booted(lab, lab.spec("selinux", boot="enforcing=0"), seconds=BOOT_SECONDS)


def overwrite(attacker: Attacker, pid: int) -> None:
    attacker.open(f"/proc/{pid}/mem", O_RDWR).close()


def test_it_is_enforcing_and_keeps_root_off(
    lab: Lab, machine: Machine, witness: Witness, attacker: Attacker
) -> None:
    check_policy(SELINUX, machine, lab.image)
    assert attacker.read_file("/proc/self/attr/current").rstrip(b"\0").endswith(b":root_t")
    pid = witness.read().pid
    for refused in (
        lambda: overwrite(attacker, pid),
        lambda: attacker.kill(pid, 0),
        lambda: attacker.read_file(f"/proc/{pid}/stat"),
    ):
        with pytest.raises(GuestError) as error:
            refused()
        assert error.value.errno == EACCES


def test_root_loads_no_module_labelled_or_not(attacker: Attacker) -> None:
    path, mine = "/lib/modules/sample_mgr.ko", "/root/mine.ko"
    attacker.write_file(mine, attacker.read_file(path), mode=0o644)
    for name in (mine, path):
        with attacker.open(name, O_RDONLY) as module, pytest.raises(GuestError) as error:
            attacker.syscall("finit_module", module.fd, "", 0)
        assert error.value.errno == EPERM, "it has not the capability"
    with pytest.raises(GuestError) as error:
        attacker.write_file(path, b"")
    assert error.value.errno == EACCES


def test_root_still_works(attacker: Attacker) -> None:
    attacker.write_file("/root/file", b"text", mode=0o644)
    attacker.mkdir("/root/folder")
    attacker.mount("none", "/root/folder", "tmpfs")
    attacker.write_file("/proc/sys/kernel/hostname", b"mine")
    child = attacker.fork()
    with attacker.seize(child):
        attacker.read_file(f"/proc/{child}/status")
    attacker.kill(child, 9)
    assert attacker.waitpid(child)[0] == child


def test_a_guest_that_only_says_what_it_would_refuse_is_none_of_this_variant(lab: Lab) -> None:
    with permissive(lab) as (machine, witness, attacker):
        with pytest.raises(VmLost, match="selinux is not enforcing in this guest"):
            check_policy(SELINUX, machine, lab.image)
        domain = attacker.read_file(f"/proc/{witness.read().pid}/attr/current")
        assert domain.rstrip(b"\0") == HANDLER


SWITCHES: tuple[tuple[str, Callable[[Attacker], None]], ...] = (
    ("load", switched_off.load_policy_of_all),
    ("permissive", switched_off.load_permissive_root),
    ("setcon", switched_off.enter_kernel_domain),
)


@pytest.mark.parametrize("switch", [s for _, s in SWITCHES], ids=[name for name, _ in SWITCHES])
def test_each_way_to_switch_it_off_does_so_where_it_is_allowed(
    lab: Lab, switch: Callable[[Attacker], None]
) -> None:
    with permissive(lab) as (machine, witness, attacker):
        switch(attacker)
        attacker.write_file(f"{switched_off.SELINUXFS}/enforce", b"1")
        check_policy(SELINUX, machine, lab.image)
        # A handler whose label the new policy does not know is followed by another.
        right = witness.read().count.right
        witness.wait(lambda t: t.count.right > right + 1, seconds=30, what="further right reply")
        overwrite(attacker, witness.read().pid)
        if switch is switched_off.load_policy_of_all:
            switched_off.set_enforcing(attacker)
            with pytest.raises(VmLost, match="not enforcing"):
                check_policy(SELINUX, machine, lab.image)


def test_a_guest_whose_policy_is_damaged_is_refused(lab: Lab, tmp_path: Path) -> None:
    rules = policies(())[f"selinux/{RULES}"]
    image = lab.guest.initramfs.read_bytes()
    assert image.count(rules) == 1
    damaged = tmp_path / "initramfs.cpio"
    damaged.write_bytes(image.replace(rules, rules[: len(rules) // 2].ljust(len(rules), b"\0")))
    spec = replace(lab.spec("selinux"), initramfs=damaged, guest_key="damaged")
    console = console_without_handler(lab, spec, seconds=BOOT_SECONDS)
    assert "the policy does not load" in console
