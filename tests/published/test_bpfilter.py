# SPDX-License-Identifier: GPL-2.0-only
"""Mainline's own user mode driver, net/bpfilter of Linux 6.1, and root against it.

Its users ask by setsockopt(2) for a packet filter, which its handler has never had. A first patch
has bpfilter ask for isolation. The second gives its handler a start without system calls.
"""

from __future__ import annotations

import shutil
import socket
import struct
from errno import EFAULT, ENOPROTOOPT
from os import O_RDONLY
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from false_handler import Attack, Victim, said
from late_replies import Lates
from published_lab import published_lab

from harness.attacker import GuestError

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.vm.machine import Machine

PATCHES = sorted((Path(__file__).parent / "bpfilter").glob("*.patch"))
BPFILTER_IPT_SO_SET_REPLACE = 64
VICTIM = Victim(b"bpfilter_umh", request=24)
DONE = struct.pack("<I", 0)
"""struct mbox_reply: the status."""


@pytest.fixture(scope="module")
def patched(request: pytest.FixtureRequest) -> int:
    """How many of the patches there are."""
    return int(request.param)


@pytest.fixture(scope="module")
def lab(patched: int, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Our series for 6.1 with bpfilter."""
    folder = tmp_path_factory.mktemp("bpfilter")
    for patch in PATCHES[:patched]:
        shutil.copy(patch, folder)
    return published_lab("6.1", folder)


@pytest.fixture
def variant(request: pytest.FixtureRequest) -> str:
    """The variant under test."""
    return str(request.param)


@pytest.fixture
def filters(attacker: Attacker) -> int:
    """A socket whose packet filter root sets."""
    return attacker.syscall("socket", socket.AF_INET, socket.SOCK_DGRAM, 0)


def replaced(attacker: Attacker, filters: int) -> int:
    """Replace the packet filter; return what the kernel says: 0, or the negative errno."""
    option = socket.IPPROTO_IP, BPFILTER_IPT_SO_SET_REPLACE
    return said(lambda: attacker.syscall("setsockopt", filters, *option, b"a filter", 8))


def start(attacker: Attacker, filters: int) -> None:
    """Have the handler answer that it has no such option."""
    assert replaced(attacker, filters) == -ENOPROTOOPT
    assert len(VICTIM.pids(attacker)) == 1


@pytest.mark.parametrize(
    ("patched", "variant"), [(1, "isolated")], ids=["handler-of-mainline"], indirect=True
)
def test_the_handler_of_mainline_does_not_start_isolated(attacker: Attacker, filters: int) -> None:
    """Its C library makes other system calls before main(), for which the kernel kills it."""
    assert replaced(attacker, filters) == -ENOPROTOOPT, "the module cannot be loaded"
    assert VICTIM.pids(attacker) == []
    with (
        attacker.open("/lib/modules/bpfilter.ko", O_RDONLY) as module,
        pytest.raises(GuestError) as error,
    ):
        attacker.syscall("finit_module", module.fd, "", 0)
    assert error.value.errno == EFAULT


@pytest.mark.parametrize(
    ("patched", "variant"),
    [(1, "baseline"), (2, "baseline"), (2, "isolated")],
    ids=["handler-of-mainline", "own-start", "own-start-isolated"],
    indirect=True,
)
def test_root_replies_for_it(
    attacker: Attacker, machine: Machine, filters: int, variant: str, tmp_path: Path
) -> None:
    """Root has the kernel say that a filter is in place. An isolated handler goes on."""
    is_refused = variant == "isolated"
    lates = Lates(machine, is_driven=True)
    attack = Attack(attacker, VICTIM, lambda: start(attacker, filters), is_refused, tmp_path, lates)
    answer = attack.answer(DONE, lambda: replaced(attacker, filters))
    assert answer == (None if is_refused else 0)
