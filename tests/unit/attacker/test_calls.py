# SPDX-License-Identifier: GPL-2.0-only
"""The attacker's calls against the real agent, on this host's kernel."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from local_agent import agent_stream, guest, local_attacker

from harness.attacker import Attacker, Channel, GuestError, SetupFailed, ShortTransfer
from harness.attacker.agent.files import CHUNK
from harness.attacker.agent.syscalls import NUMBERS
from harness.host.errors import UserError, VmLost

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    with local_attacker() as attacker:
        yield attacker


def test_numbers_are_the_kernel_headers() -> None:
    command = ["gcc", "-E", "-dM", "-include", "asm/unistd_64.h", "-x", "c", os.devnull]
    headers = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    theirs = {m[1]: int(m[2]) for m in re.finditer(r"__NR_(\w+) (\d+)", headers.stdout)}
    both = NUMBERS.keys() & theirs.keys()
    assert len(both) > 300
    assert {name: NUMBERS[name] for name in both} == {name: theirs[name] for name in both}


def test_a_call_is_the_agents_own() -> None:
    with agent_stream() as (stream, process):
        attacker = Attacker(Channel(stream), guest())
        assert attacker.getpid() == process.pid


def test_what_is_gained_must_be_true(attacker: Attacker) -> None:
    attacker.gain("its pid", 42, truth=42)
    with pytest.raises(LookupError, match="its frame is 7, not 8"):
        attacker.gain("its frame", 8, truth=7)
    with pytest.raises(LookupError) as told:
        attacker.gain("its environment", b"x" * (1 << 20), truth=b"")
    assert len(str(told.value)) < 100, "what the guest said may be long"
    assert attacker.gained == ["its pid"]


def test_the_tries_of_a_race_are_counted(attacker: Attacker) -> None:
    for won in (False, True, False):
        attacker.tried(won=won)
    assert attacker.tries == (1, 3)


def test_files(attacker: Attacker, tmp_path: Path) -> None:
    name = str(tmp_path / "file")
    with attacker.open(name, os.O_RDWR | os.O_CREAT, 0o640) as file:
        file.write(b"0123456789")
        file.pwrite(b"xy", 4)
        assert file.pread(4, 3) == b"3xy6"
        assert file.read(10) == b""
    assert (tmp_path / "file").read_bytes() == b"0123xy6789"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_directories_and_names(attacker: Attacker, tmp_path: Path) -> None:
    attacker.mkdir(f"{tmp_path}/d", 0o777)
    attacker.write_file(f"{tmp_path}/d/a", b"1", mode=0o600)
    attacker.rename(f"{tmp_path}/d/a", f"{tmp_path}/d/b")
    attacker.chmod(f"{tmp_path}/d/b", 0o4755)
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o777
    assert (tmp_path / "d" / "b").stat().st_mode & 0o7777 == 0o4755
    attacker.unlink(f"{tmp_path}/d/b")
    assert not list((tmp_path / "d").iterdir())


def test_a_large_file_goes_in_several_calls(attacker: Attacker, tmp_path: Path) -> None:
    data = os.urandom(2 * CHUNK + 12345)
    attacker.write_file(f"{tmp_path}/large", data, mode=0o600)
    assert (tmp_path / "large").read_bytes() == data
    assert attacker.read_file(f"{tmp_path}/large") == data


def test_without_a_mode_a_wrong_path_is_enoent(attacker: Attacker, tmp_path: Path) -> None:
    with pytest.raises(GuestError) as refused:
        attacker.write_file(f"{tmp_path}/missing", b"1")
    assert (refused.value.errno, refused.value.call) == (errno.ENOENT, "openat")


def test_a_refusal_is_an_oserror_with_errno_and_call(attacker: Attacker) -> None:
    with pytest.raises(OSError, match=r"^ESRCH at kill$") as refused:
        attacker.kill(2**22 + 1, signal.SIGKILL)
    assert refused.value.errno == errno.ESRCH
    assert isinstance(refused.value, GuestError)
    assert refused.value.call == "kill"


def test_an_unknown_call_is_enosys_and_a_misspelt_one_a_mistake(attacker: Attacker) -> None:
    with pytest.raises(GuestError) as refused:
        attacker.syscall(9999)
    assert (refused.value.errno, refused.value.call) == (errno.ENOSYS, "syscall 9999")
    with pytest.raises(ValueError, match="opne"):
        attacker.syscall("opne")


def test_buffers_larger_than_the_arena_are_a_mistake(attacker: Attacker) -> None:
    with pytest.raises(ValueError, match="arena"):
        attacker.syscall("read", 0, bytearray(2 << 20))
    assert attacker.getpid() > 0


def test_failed_setup_is_told_from_a_refused_attack(attacker: Attacker) -> None:
    with pytest.raises(SetupFailed, match="ENOENT at openat"), attacker.setup():
        attacker.open("/nowhere/at/all", os.O_RDONLY)
    assert [entry["setup"] for entry in attacker.attempt.as_json()] == [True]
    attacker.getpid()
    assert attacker.attempt.as_json()[-1]["setup"] is False


def test_the_attempt_names_calls_arguments_and_ends(attacker: Attacker) -> None:
    with pytest.raises(GuestError):
        attacker.open("/nowhere/\x1b[31m\u202e\n" + "x" * 300, os.O_RDONLY)
    pid = attacker.getpid()
    refused, done = attacker.attempt.as_json()
    assert (refused["call"], refused["errno"], "result" in refused) == ("openat", "ENOENT", False)
    assert refused["args"][1].startswith("'/nowhere/\\x1b[31m\\u202e\\n")
    assert len(refused["args"][1]) < 80
    assert all(character.isprintable() for character in refused["args"][1])
    assert (done["call"], done["result"]) == ("getpid", pid)


def test_a_short_write_is_no_attack(attacker: Attacker) -> None:
    ends = bytearray(8)
    attacker.syscall("pipe2", ends, os.O_NONBLOCK)
    writer = int.from_bytes(ends[4:], "little")
    with pytest.raises(ShortTransfer) as short, attacker.open(f"/proc/self/fd/{writer}", 1) as pipe:
        attacker.syscall("fcntl", pipe.fd, 4, os.O_NONBLOCK)
        pipe.write(b"x" * CHUNK)
    assert short.value.call == "write"
    assert 0 < short.value.count < short.value.wanted == CHUNK


def test_writing_to_nobody_is_epipe_and_the_agent_lives(attacker: Attacker) -> None:
    ends = bytearray(8)
    attacker.syscall("pipe2", ends, 0)
    attacker.close(int.from_bytes(ends[:4], "little"))
    with pytest.raises(GuestError) as refused:
        attacker.write(int.from_bytes(ends[4:], "little"), b"x")
    assert refused.value.errno == errno.EPIPE
    assert attacker.getpid() > 0


def test_a_child_is_killed_and_reaped(attacker: Attacker) -> None:
    child = attacker.fork()
    with attacker.pidfd_open(child) as pidfd:
        attacker.syscall("pidfd_send_signal", pidfd.fd, signal.SIGKILL, 0, 0)
    pid, status = attacker.waitpid(child)
    assert pid == child
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("call", ["clone", "vfork", "clone3"])
def test_no_second_process_comes_onto_the_channel(attacker: Attacker, call: str) -> None:
    with pytest.raises(GuestError) as refused:
        attacker.syscall(call, 0, 0)
    assert refused.value.errno == errno.EOPNOTSUPP
    assert attacker.getpid() > 0


def test_children_end_with_the_agent() -> None:
    with local_attacker() as attacker:
        child = attacker.fork()
        assert _alive(child)
    deadline = time.monotonic() + 60
    while _alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_spawn(attacker: Attacker, tmp_path: Path) -> None:
    with attacker.open(f"{tmp_path}/out", os.O_WRONLY | os.O_CREAT, 0o600) as out:
        script = 'echo "$0 $1 $UMD"; exit 7'
        child = attacker.spawn(
            "/bin/sh", "-c", script, "a b", "c", stdout=out.fd, env={"UMD": "1", "PATH": "/bin"}
        )
        pid, status = attacker.waitpid(child)
    assert (pid, os.WEXITSTATUS(status)) == (child, 7)
    assert (tmp_path / "out").read_text() == "a b c 1\n"


def test_a_program_that_does_not_start_leaves_its_errno(attacker: Attacker) -> None:
    with pytest.raises(GuestError) as refused:
        attacker.spawn("/nowhere")
    assert (refused.value.errno, refused.value.call) == (errno.ENOENT, "spawn")
    with pytest.raises(GuestError) as refused:
        attacker.spawn("/bin/true", stdin=4000)
    assert refused.value.errno == errno.EBADF
    with pytest.raises(GuestError) as refused:
        attacker.waitpid(-1)
    assert refused.value.errno == errno.ECHILD


def test_memory_of_another_process(attacker: Attacker) -> None:
    child = attacker.fork()
    attacker.process_vm_writev(child, 0x1000_8000, b"secret!")
    with attacker.open(f"/proc/{child}/mem", os.O_RDWR) as mem:
        mem.pwrite(b"S", 0x1000_8000)
    attacker.show(attacker.process_vm_readv(child, 0x1000_8000, 7))
    assert attacker.shown == [b"Secret!"]
    with pytest.raises(GuestError) as refused:
        attacker.process_vm_readv(child, 0x10, 8)
    assert (refused.value.errno, refused.value.call) == (errno.EFAULT, "process_vm_readv")


def test_a_range_that_ends_early_is_a_short_transfer(attacker: Attacker) -> None:
    child = attacker.fork()
    with pytest.raises(ShortTransfer):
        attacker.process_vm_readv(child, 0x1000_0000 + (1 << 20) - 8, 4096)


def test_scheduling(attacker: Attacker) -> None:
    child = attacker.fork()
    cpu = min(os.sched_getaffinity(0))
    attacker.sched_setaffinity(child, {cpu})
    attacker.sched_setscheduler(child, os.SCHED_IDLE, 0)
    assert os.sched_getaffinity(child) == {cpu}
    assert os.sched_getscheduler(child) == os.SCHED_IDLE


def test_an_unknown_payload_is_the_users_to_mend(attacker: Attacker) -> None:
    with pytest.raises(UserError, match="no_such_payload"):
        attacker.payload("no_such_payload")
    with pytest.raises(UserError):
        attacker.payload("../agent")
    assert attacker.attempt.count == 0


def test_a_killed_agent_is_a_lost_vm(attacker: Attacker) -> None:
    with pytest.raises(VmLost, match="ended"):
        attacker.kill(attacker.getpid(), signal.SIGKILL)
    assert attacker.attempt.as_json()[-1]["lost"] is True
    with pytest.raises(VmLost, match="ended"):
        attacker.getpid()


def _alive(pid: int) -> bool:
    """Return whether the process runs; a dead one may be a zombie for a while."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
