# SPDX-License-Identifier: GPL-2.0-only
"""A machine's disk in layers, and its forwarded port."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from harness.host.errors import VmLost
from harness.vm.disk import Disk
from harness.vm.forwarding import card, port_of

if TYPE_CHECKING:
    from pathlib import Path

NETWORKS = """\
Hub -1 (net):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[ESTABLISHED]   31       127.0.0.1 41043       10.0.2.15    22     0     0
  TCP[HOST_FORWARD]  23       127.0.0.1 41043       10.0.2.15    22     0     0
"""


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    for name in ("base", "empty", "saved"):
        (tmp_path / name).write_text(name)
    return Disk(tmp_path / "base", tmp_path / "empty")


def test_only_the_machine_s_own_layer_is_written(disk: Disk, tmp_path: Path) -> None:
    with ExitStack() as stack:
        arguments, fds = disk.arguments(stack, tmp_path / "saved")
        nodes = [word for word in arguments if word.startswith("driver=")]
        assert [node.rpartition(",")[2] for node in nodes] == [
            "read-only=on",
            "read-only=on",
            "read-only=off",
        ]
        assert [os.read(fd, 100) for fd in fds] == [b"base", b"saved"]
        for fd in fds:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.write(fd, b"written")
    assert "backing=layer2" in nodes[1]
    assert "file.filename=disk,backing=layer3" in nodes[2]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fds[0])


def test_a_machine_that_boots_has_no_saved_layer(disk: Disk) -> None:
    with ExitStack() as stack:
        arguments, fds = disk.arguments(stack)
        assert len(fds) == 1
        assert f"fd={fds[0]},set=2" in arguments
        assert arguments[-1] == "virtio-blk-pci,drive=disk"


def test_the_port_is_the_forwarded_one() -> None:
    assert port_of(NETWORKS) == 41043


@pytest.mark.parametrize(
    "networks",
    [
        "",
        NETWORKS.replace("HOST_FORWARD", "LISTEN"),
        NETWORKS.replace("127.0.0.1", "10.1.2.3"),
        NETWORKS.replace("41043", "0"),
    ],
)
def test_no_such_port_is_no_machine(networks: str) -> None:
    with pytest.raises(VmLost, match="forwards no port"):
        port_of(networks)


def test_nothing_but_loopback_leads_to_the_card() -> None:
    network = card(22)[1]
    assert "restrict=on" in network
    assert "ipv6=off" in network
    assert network.count("hostfwd=") == 1
    assert "hostfwd=tcp:127.0.0.1:0-10.0.2.15:22" in network
