# SPDX-License-Identifier: GPL-2.0-only
"""The image engine: a Debian over SSH, whose root can neither forge a verdict nor cause a hang."""

from __future__ import annotations

import signal
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from errno import ENOSPC
from os import O_CREAT, O_WRONLY
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
import pytest
from cells import Cells, cells, overwrite

from harness.attacker import Attacker, Channel
from harness.engines import ENGINES
from harness.guests.debian import DISK_MIB, debian_image, packages_wanted
from harness.host.errors import VmLost
from harness.model.verdict import Verdict
from harness.vm.disk import DISK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.lab.lab import Lab
    from harness.vm.machine import Machine
    from harness.witness.handler import Handler

__all__ = ["cells"]

# At the first one the disk, a kernel and a boot, on a busy host.
pytestmark = pytest.mark.timeout(3600)

IMAGE = ENGINES["image"]
BUSYBOX = "/bin/busybox"
SFTP = "/usr/lib/openssh/sftp-server"
HOST_KEY = "/run/umd/ssh/host_key"
HOST_FROM_GUEST = "10.0.2.2"
DNS_FROM_GUEST = "10.0.2.3"
SO_SNDTIMEO = 21
MNT_DETACH = 2
HOPELESS = 180.0
"""Seconds after which a cell hangs: no attack here waits for a deadline twice, of 60 s at most."""


@pytest.fixture(scope="session")
def image_lab(lab: Lab) -> Lab:
    """The line's images, booted by this engine."""
    IMAGE.check()
    IMAGE.make(progress=lambda _: None)
    return replace(lab, engine=IMAGE)


@pytest.fixture
def image_cells(cells: Cells, image_lab: Lab) -> Cells:
    """Made-up attacks in this engine's guest."""
    with image_lab.machine("baseline"):
        pass  # the state is made before anything is timed
    return replace(cells, lab=image_lab)


@contextmanager
def root_of(lab: Lab) -> Iterator[tuple[Machine, Attacker]]:
    """A guest of `baseline` and root in it. A busy host takes long to write to its disk."""
    with (
        lab.machine("baseline") as machine,
        Channel(machine.agent_socket(), reply_seconds=120, attempt_seconds=500) as channel,
    ):
        yield machine, Attacker(channel, lab.guest)


def processes(attacker: Attacker, name: str) -> list[int]:
    """The guest's processes of that name; the kernel truncates names to 15 characters."""
    found = []
    for pid in filter(str.isdigit, attacker.listdir("/proc")):
        with suppress(OSError):
            if attacker.read_file(f"/proc/{pid}/comm").strip() == name.encode():
                found.append(int(pid))
    return sorted(found)


def test_the_guest_is_a_debian_with_its_own_init_and_what_the_recipe_names(image_lab: Lab) -> None:
    with root_of(image_lab) as (_, attacker):
        assert b'VERSION_ID="13"' in attacker.read_file("/etc/os-release")
        assert attacker.read_file("/proc/1/comm") == b"systemd\n"
        assert processes(attacker, "sshd")
    listed = debian_image(progress=pytest.fail).packages.read_text().splitlines()
    names = {line.partition(":")[0] for line in listed}
    assert names >= {*packages_wanted(), "libc6", "dpkg"}
    assert all(line.partition(" ")[2] for line in listed)


def test_what_was_written_before_the_state_is_there_and_later_writes_are_not(
    image_lab: Lab,
) -> None:
    with root_of(image_lab) as (machine, attacker):
        attacker.write_file("/root/written", b"by the first", mode=0o600)
        attacker.syscall("sync")
        assert attacker.read_file("/usr/sbin/modprobe") == image_lab.guest.agent.read_bytes()
        assert (machine.directory / DISK).stat().st_size > debian_image(
            progress=pytest.fail
        ).empty.stat().st_size
    with root_of(image_lab) as (_, attacker):
        with pytest.raises(OSError, match="ENOENT"):
            attacker.read_file("/root/written")
        assert attacker.read_file("/usr/sbin/modprobe") == image_lab.guest.agent.read_bytes()


def test_payloads_come_over_sftp(image_lab: Lab) -> None:
    with root_of(image_lab) as (_, attacker):
        path = attacker.payload("burn")
        assert attacker.read_file(path) == (image_lab.guest.payloads / "burn").read_bytes()
        assert not [call for call in attacker.attempt.as_json() if call["call"] == "write"]


def test_no_password_logs_in(image_lab: Lab) -> None:
    with image_lab.machine("baseline") as machine:
        port = machine.forwarded_port()
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            transport = paramiko.Transport(connection)
            transport.banner_timeout = transport.auth_timeout = 60
            try:
                transport.start_client(timeout=60)
                with pytest.raises(paramiko.BadAuthenticationType) as refused:
                    transport.auth_password("root", "")
                assert refused.value.allowed_types == ["publickey"]
                with pytest.raises(paramiko.AuthenticationException):
                    transport.auth_publickey("root", paramiko.RSAKey.generate(2048))
            finally:
                transport.close()


def test_nothing_but_the_one_port_passes(image_lab: Lab) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        root_of(image_lab) as (machine, attacker),
    ):
        datagrams.bind(("127.0.0.1", 0))
        assert listening(machine.pid) == [("127.0.0.1", machine.forwarded_port())]
        for address in (HOST_FROM_GUEST, DNS_FROM_GUEST, "192.0.2.1"):
            for port in (server.getsockname()[1], 53):
                assert not connects(attacker, address, port)
            send(attacker, address, datagrams.getsockname()[1])
        for waiting in (server, datagrams):
            waiting.settimeout(1)
        with pytest.raises(TimeoutError):
            server.accept()
        with pytest.raises(TimeoutError):
            datagrams.recv(100)


def listening(pid: int) -> list[tuple[str, int]]:
    """The addresses at which a process of this host's listens, or receives datagrams."""
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(str(fd.readlink()))
    found = []
    for table, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == state and f"socket:[{fields[9]}]" in inodes:
                address, _, port = fields[1].partition(":")
                dotted = socket.inet_ntoa(bytes.fromhex(address)[::-1]) if len(address) == 8 else ""
                found.append((dotted, int(port, 16)))
    return found


def connects(attacker: Attacker, address: str, port: int) -> bool:
    """Whether a TCP connection from the guest comes about within 2 s."""
    fd = attacker.syscall("socket", socket.AF_INET, socket.SOCK_STREAM, 0)
    seconds = (2).to_bytes(8, "little") + bytes(8)
    attacker.syscall("setsockopt", fd, socket.SOL_SOCKET, SO_SNDTIMEO, seconds, len(seconds))
    try:
        attacker.syscall("connect", fd, _address(address, port), 16)
    except OSError:
        return False
    finally:
        attacker.close(fd)
    return True


def send(attacker: Attacker, address: str, port: int) -> None:
    """Send a datagram from the guest."""
    fd = attacker.syscall("socket", socket.AF_INET, socket.SOCK_DGRAM, 0)
    with suppress(OSError):
        attacker.syscall("sendto", fd, b"out", 3, 0, _address(address, port), 16)
    attacker.close(fd)


def _address(address: str, port: int) -> bytes:
    family = socket.AF_INET.to_bytes(2, "little")
    return family + port.to_bytes(2, "big") + socket.inet_aton(address) + bytes(8)


# Attacks of root in the guest on the path from the agent to the host.


def kill_all_of_sshd(attacker: Attacker, _: Handler) -> None:
    """The listener, and the sessions, this one's too."""
    for name in ("sshd", "sshd-session"):
        for pid in processes(attacker, name):
            attacker.kill(pid, signal.SIGKILL)
    attacker.getpid()


def flood_the_session(attacker: Attacker, _: Handler) -> None:
    """A child writes endlessly to the agent's output."""
    attacker.spawn(BUSYBOX, "cat", "/dev/zero", stdout=1)
    for _call in range(1000):
        attacker.getpid()


def stop_the_session(attacker: Attacker, _: Handler) -> None:
    """Stop sshd's process of the session, so that no request is answered."""
    for pid in processes(attacker, "sshd-session"):
        attacker.kill(pid, signal.SIGSTOP)
    attacker.getpid()


def answer_sftp(script: str, attacker: Attacker) -> None:
    """Put a script in the place of Debian's SFTP server, and have a payload sent."""
    attacker.write_file(f"{SFTP}.new", f"#!/bin/sh\n{script}\n".encode(), mode=0o755)
    attacker.rename(f"{SFTP}.new", SFTP)
    attacker.payload("burn")


def garble_sftp(attacker: Attacker, _: Handler) -> None:
    """Random bytes."""
    answer_sftp(f"exec {BUSYBOX} cat /dev/urandom", attacker)


def silence_sftp(attacker: Attacker, _: Handler) -> None:
    """Nothing at all, and no end."""
    answer_sftp("exec sleep 1000", attacker)


def end_sftp(attacker: Attacker, _: Handler) -> None:
    """An end at once."""
    answer_sftp("exit 0", attacker)


def fill_the_disk(attacker: Attacker, _: Handler) -> None:
    """Leave no byte on the disk, and have payloads come there."""
    attacker.syscall("umount2", "/tmp", MNT_DETACH)  # noqa: S108 - the guest's
    fill(attacker, "/root/fill")
    attacker.payload("burn")


def fill(attacker: Attacker, path: str) -> None:
    """Allocate what there is: large pieces, then smaller ones, then bytes."""
    fd = attacker.syscall("openat", -100, path, O_CREAT | O_WRONLY, 0o600)
    at, piece = 0, 256 << 20
    while piece >= 4096:
        try:
            attacker.syscall("fallocate", fd, 0, at, piece)
            at += piece
        except OSError as error:
            assert error.errno == ENOSPC
            piece //= 2
    with pytest.raises(OSError, match="ENOSPC"):
        for number in range(100):
            attacker.write_file(f"{path}-{number}", bytes(4096), mode=0o600)


@pytest.mark.parametrize(
    "attack",
    [
        kill_all_of_sshd,
        stop_the_session,
        flood_the_session,
        garble_sftp,
        silence_sftp,
        end_sftp,
        fill_the_disk,
    ],
)
@pytest.mark.parametrize("tampers", [False, True])
def test_a_guest_that_breaks_its_way_out_is_an_error_and_soon(
    image_cells: Cells, attack: object, tampers: bool
) -> None:
    def attack_it(attacker: Attacker, handler: Handler) -> None:
        if tampers:
            overwrite(attacker, handler)
        attack(attacker, handler)  # type: ignore[operator]

    started = time.monotonic()
    outcome = image_cells.run(attack_it)
    assert time.monotonic() - started < HOPELESS
    assert outcome.verdict is Verdict.ERROR, outcome.detail
    assert not image_cells.left()


def test_a_full_disk_takes_no_more_of_the_host_than_its_size(image_lab: Lab) -> None:
    with root_of(image_lab) as (machine, attacker):
        fill(attacker, "/root/fill")
        for _ in range(8):
            with suppress(OSError):
                attacker.run(BUSYBOX, "dd", "if=/dev/zero", "of=/root/fill", "bs=1M", "count=48")
        attacker.syscall("sync")
        assert (machine.directory / DISK).stat().st_blocks * 512 < (DISK_MIB + 64) << 20


def test_a_guest_that_ends_only_the_listener_is_judged_as_ever(image_cells: Cells) -> None:
    def end_the_listener(attacker: Attacker, handler: Handler) -> None:
        overwrite(attacker, handler)
        for pid in processes(attacker, "sshd"):
            attacker.kill(pid, signal.SIGKILL)
        attacker.getpid()

    outcome = image_cells.run(end_the_listener)
    assert outcome.verdict is Verdict.TAMPERED, outcome.detail


def test_a_guest_that_shows_another_host_key_is_lost(image_lab: Lab) -> None:
    with root_of(image_lab) as (machine, attacker):
        attacker.unlink(HOST_KEY)
        keygen = ("-q", "-t", "ed25519", "-N", "", "-f", HOST_KEY)
        attacker.run("/usr/bin/ssh-keygen", *keygen)
        for pid in processes(attacker, "sshd"):
            attacker.kill(pid, signal.SIGHUP)  # it starts itself anew
        deadline = time.monotonic() + 300  # a busy host
        with pytest.raises(VmLost, match="the guest's host key is not the pinned one"):
            while time.monotonic() < deadline:
                machine.agent_socket().close()
