# SPDX-License-Identifier: GPL-2.0-only
"""The attacker's system calls, under the names and with the arguments of their man pages."""

from __future__ import annotations

import re
import reprlib
import struct
from os import O_CLOEXEC, O_CREAT, O_DIRECTORY, O_RDONLY, O_TRUNC, O_WRONLY
from typing import TYPE_CHECKING

from harness.attacker.agent.descriptors import DescriptorCalls
from harness.attacker.agent.errors import ShortTransfer
from harness.attacker.agent.files import CHUNK, File
from harness.attacker.agent.protocol import Memory
from harness.attacker.agent.tracee import Tracee
from harness.host.errors import UserError, VmLost

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.attacker.agent.channel import Channel
    from harness.guests.initramfs import GuestImage

SECRET_SIZE = 32
"""Bytes of the handler's secret. Every copy of it is aligned to `_ALIGNMENT` bytes."""
_ALIGNMENT = 8

FILE_MAX = 16 << 20
"""Bytes of the largest file that `read_file` reads; a hostile guest may serve an endless one."""

_AT_FDCWD = -100
_IOVEC = struct.Struct("<QQ")
_STATUS = struct.Struct("<i")
_PIPE = struct.Struct("<2i")
_DIRENT = struct.Struct("<QqHB")  # struct linux_dirent64 of include/linux/dirent.h
_DIRENTS = 4096
_UTSNAME = struct.Struct("130x65s195x")  # the release in struct new_utsname
_DEV_NULL = -1


class Attacker(DescriptorCalls):
    """Root in the guest: the agent there makes the system calls of these methods.

    Each method makes the system call it is named after and records it in `attempt`. Every method
    that makes a call raises

    - GuestError if the call fails, with the kernel's errno,
    - VmLost if the guest gives no valid answer before the deadline (by default 10 s for one call
      and 60 s for the whole attempt),
    - ValueError if the call's buffers exceed 1 MiB.

    `channel` leads to the agent; `guest` is the image that the guest runs, which has the payloads.
    Calls without a method here are made with `syscall`.
    """

    def __init__(self, channel: Channel, guest: GuestImage) -> None:
        super().__init__(channel)
        self.shown: list[bytes] = []
        """The data claimed with `show`; a copy of the secret in it is a leak."""
        self.gained: list[str] = []
        """The names of what was claimed, truthfully, with `gain`."""
        self.tries = 0, 0
        """The successful tries of a race, and all its tries (`tried`)."""
        self._payloads = guest.payloads
        self._placed: set[str] = set()

    def show(self, data: bytes) -> None:
        """Claim that `data`, 32 bytes, is the handler's secret; the host compares hashes later."""
        self.shown.append(bytes(data))

    def show_all(self, data: bytes) -> None:
        """Claim that the secret is somewhere in `data`, at a multiple of 8 bytes."""
        for at in range(0, len(data) - SECRET_SIZE + 1, _ALIGNMENT):
            self.show(data[at : at + SECRET_SIZE])

    def gain(self, what: str, value: object, *, truth: object) -> None:
        """Claim to have obtained `value`, under the name `what` (`Effect.STEP`).

        `truth` is the same value from the host or the witness. Raises LookupError if they differ.
        """
        if value != truth:
            # Shortened, because the guest chose the value and its length.
            raise LookupError(f"{what} is {reprlib.repr(truth)}, not {reprlib.repr(value)}")
        self.gained.append(what)

    def tried(self, *, won: bool) -> None:
        """Count one try of a race, and whether the attack won it."""
        before, made = self.tries
        self.tries = before + won, made + 1

    # Files

    def open(self, path: str, flags: int, mode: int = 0) -> File:
        """Open a file with O_CLOEXEC added to `flags` (open(2)); return it as a File.

        The call is openat(2), and is recorded under that name.
        """
        return File(self, self.syscall("openat", _AT_FDCWD, path, flags | O_CLOEXEC, mode))

    def read_file(self, path: str) -> bytes:
        """Read a whole file. Raises VmLost if it has more than `FILE_MAX` (16 MiB)."""
        data = bytearray()
        with self.open(path, O_RDONLY) as file:
            while chunk := file.read(CHUNK):
                data += chunk
                if len(data) > FILE_MAX:
                    raise VmLost(f"{path!a} has more than {FILE_MAX} bytes")
        return bytes(data)

    def write_file(self, path: str, data: bytes, mode: int | None = None) -> None:
        """Truncate a file and write `data` to it. With `mode`, create the file if it is missing.

        Without `mode` the file must exist, and O_CREAT is not set: in a file system that creates
        no files, such as cgroup2, O_CREAT turns the ENOENT of a wrong path into EACCES, which
        would count as a refusal. Raises ShortTransfer if the kernel takes only a part.
        """
        create = O_CREAT if mode is not None else 0
        with self.open(path, O_WRONLY | O_TRUNC | create, mode or 0) as file:
            file.write_all(data)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory, without `.` and `..` (getdents64(2))."""
        names = []
        with self.open(path, O_RDONLY | O_DIRECTORY) as directory:
            entries = bytearray(_DIRENTS)
            while size := self.syscall("getdents64", directory.fd, entries, len(entries)):
                names += list(_names(bytes(entries[:size])))
        return [name for name in names if name not in (".", "..")]

    def pipe(self) -> tuple[File, File]:
        """Create a pipe with O_CLOEXEC (pipe2(2)); return its read end and its write end."""
        ends = bytearray(_PIPE.size)
        self.syscall("pipe2", ends, O_CLOEXEC)
        reader, writer = _PIPE.unpack(ends)
        return File(self, reader), File(self, writer)

    def release(self) -> tuple[int, int]:
        """Return the major and minor number of the kernel's release (uname(2))."""
        names = bytearray(_UTSNAME.size)
        self.syscall("uname", names)
        major, minor = re.findall(rb"\d+", _UTSNAME.unpack(names)[0])[:2]
        return int(major), int(minor)

    def fcntl(self, fd: int, command: int, argument: int = 0) -> int:
        """Call fcntl(2) with a command whose argument is a number; return its result."""
        return self.syscall("fcntl", fd, command, argument)

    def mkdir(self, path: str, mode: int = 0o755) -> None:
        """Create a directory (mkdir(2))."""
        self.syscall("mkdir", path, mode)

    def unlink(self, path: str) -> None:
        """Remove a file (unlink(2))."""
        self.syscall("unlink", path)

    def rename(self, old: str, new: str) -> None:
        """Rename a file or directory (rename(2))."""
        self.syscall("rename", old, new)

    def chmod(self, path: str, mode: int) -> None:
        """Change the permission bits of a file (chmod(2))."""
        self.syscall("chmod", path, mode)

    def mount(
        self, source: str, target: str, fstype: str, flags: int = 0, options: str = ""
    ) -> None:
        """Mount a file system (mount(2)); `options` is the `data` argument."""
        self.syscall("mount", source, target, fstype, flags, options)

    # Processes

    def getpid(self) -> int:
        """Return the agent's pid (getpid(2))."""
        return self.syscall("getpid")

    def kill(self, pid: int, signal: int) -> None:
        """Send a signal to a process (kill(2))."""
        self.syscall("kill", pid, signal)

    def tgkill(self, tgid: int, tid: int, signal: int) -> None:
        """Send a signal to thread `tid` of process `tgid` (tgkill(2))."""
        self.syscall("tgkill", tgid, tid, signal)

    def pidfd_open(self, pid: int, flags: int = 0) -> File:
        """Open a process as a pidfd (pidfd_open(2))."""
        return File(self, self.syscall("pidfd_open", pid, flags))

    def pidfd_getfd(self, pidfd: int, fd: int) -> File:
        """Duplicate descriptor `fd` of the process behind a pidfd (pidfd_getfd(2))."""
        return File(self, self.syscall("pidfd_getfd", pidfd, fd, 0))

    def pidfd_send_signal(self, pidfd: int, signal: int) -> None:
        """Send a signal to the process behind a pidfd (pidfd_send_signal(2))."""
        self.syscall("pidfd_send_signal", pidfd, signal, 0, 0)

    def waitpid(self, pid: int, options: int = 0) -> tuple[int, int]:
        """Wait for a child or tracee (wait4(2)); return its pid and its wait status.

        `os.WIFEXITED` and its relatives decode the status. With WNOHANG the pid may be 0.
        """
        status = bytearray(_STATUS.size)
        pid = self.syscall("wait4", pid, status, options, 0)
        return pid, _STATUS.unpack(status)[0]

    def prctl(self, option: int, *args: int) -> int:
        """Call prctl(2); return its result."""
        return self.syscall("prctl", option, *args)

    def prlimit(self, pid: int, resource: int, limits: tuple[int, int]) -> None:
        """Set the soft and the hard limit of a resource of process `pid` (prlimit(2))."""
        self.syscall("prlimit64", pid, resource, struct.pack("<2Q", *limits), 0)

    def sched_setscheduler(self, pid: int, policy: int, priority: int) -> None:
        """Set the scheduling policy and static priority of task `pid` (sched_setscheduler(2))."""
        self.syscall("sched_setscheduler", pid, policy, struct.pack("<i", priority))

    def sched_setaffinity(self, pid: int, cpus: set[int]) -> None:
        """Restrict task `pid` to these CPUs, below 64 (sched_setaffinity(2))."""
        mask = struct.pack("<Q", sum(1 << cpu for cpu in cpus))
        self.syscall("sched_setaffinity", pid, len(mask), mask)

    def process_vm_readv(self, pid: int, address: int, size: int) -> bytes:
        """Read one range of a process's memory (process_vm_readv(2)).

        Raises ShortTransfer if fewer than `size` bytes were read.
        """
        memory = Memory()
        local = _IOVEC.pack(memory.room(size, by_result=True), size)
        args = pid, memory.place(local), 1, memory.place(_IOVEC.pack(address, size)), 1, 0
        reply = self._transfer("process_vm_readv", args, memory, size)
        if reply.result != size:
            raise ShortTransfer("process_vm_readv", count=reply.result, wanted=size)
        return reply.data[0]

    def process_vm_writev(self, pid: int, address: int, data: bytes) -> None:
        """Write one range of a process's memory (process_vm_writev(2)).

        Raises ShortTransfer if only a part was written.
        """
        memory = Memory()
        local = _IOVEC.pack(memory.place(data), len(data))
        args = pid, memory.place(local), 1, memory.place(_IOVEC.pack(address, len(data))), 1, 0
        count = self._transfer("process_vm_writev", args, memory, len(data)).result
        if count != len(data):
            raise ShortTransfer("process_vm_writev", count=count, wanted=len(data))

    def ptrace(self, request: int, pid: int, address: int = 0, data: int = 0) -> int:
        """Make the raw system call ptrace(2); return its result. See also `seize`."""
        return self.syscall("ptrace", request, pid, address, data)

    def seize(self, pid: int, options: int = 0) -> Tracee:
        """Return a Tracee: process `pid` is seized and stopped in its `with` block (ptrace(2)).

        `options` are PTRACE_O flags besides PTRACE_O_TRACESYSGOOD.
        """
        return Tracee(self, pid, options)

    def fork(self) -> int:
        """Fork a child of the agent that only waits; return its pid.

        It serves as the object of calls that need a process.
        """
        return self.syscall("fork")

    def spawn(
        self,
        path: str,
        *args: str,
        stdin: int = _DEV_NULL,
        stdout: int = _DEV_NULL,
        stderr: int = _DEV_NULL,
        env: Mapping[str, str] | None = None,
    ) -> int:
        """Start a program in the guest; return its pid.

        `stdin`, `stdout` and `stderr` are descriptors of the agent, /dev/null by default. `env` is
        the program's whole environment, by default PATH=/sbin:/bin and HOME=/. Raises GuestError
        if the program cannot be executed.
        """
        memory = Memory()
        argv = _vector(memory, (path, *args))
        envp = 0 if env is None else _vector(memory, [f"{k}={v}" for k, v in env.items()])
        words = memory.place(path.encode() + b"\0"), argv, envp, stdin, stdout, stderr
        display = tuple(ascii(arg) for arg in (path, *args))
        return self._call("spawn", words, memory, display=display).result

    def run(self, path: str, *args: str, stdout: int = _DEV_NULL) -> None:
        """Run a program to its end. Raises ChildProcessError unless it exits with 0."""
        _, status = self.waitpid(self.spawn(path, *args, stdout=stdout))
        if status:
            raise ChildProcessError(f"{path} ended with wait status {status:#x}")

    def payload(self, name: str) -> str:
        """Put a compiled payload (guest-images/payloads/<name>.c) into the guest; return its path.

        A second call for the same payload returns the path without writing, because the kernel
        refuses to write a program that runs (ETXTBSY). Raises UserError for an unknown name, and
        SetupFailed if the guest cannot store the file.
        """
        source = self._payloads / name
        if "/" in name or not source.is_file():
            raise UserError(
                f"there is no payload {name!r}", hint=f"add guest-images/payloads/{name}.c"
            )
        path = f"/tmp/{name}"  # noqa: S108 - the guest's, not ours
        if name not in self._placed:
            with self.setup():
                if not self._channel.put(path, source.read_bytes(), 0o755):
                    self.write_file(path, source.read_bytes(), mode=0o755)
            self._placed.add(name)
        return path


def _names(entries: bytes) -> Iterator[str]:
    """Yield the names of directory entries. Raises VmLost for an entry of impossible size."""
    while entries:
        size = _DIRENT.unpack_from(entries)[2] if len(entries) > _DIRENT.size else 0
        if not _DIRENT.size < size <= len(entries):
            raise VmLost("a directory entry of impossible size")
        name, _, _ = entries[_DIRENT.size : size].partition(b"\0")
        yield name.decode(errors="surrogateescape")
        entries = entries[size:]


def _vector(memory: Memory, strings: tuple[str, ...] | list[str]) -> int:
    """Place a NULL-terminated array of strings, as execve(2) takes it; return its address."""
    pointers = [memory.place(string.encode() + b"\0") for string in strings]
    return memory.place(struct.pack(f"<{len(pointers) + 1}Q", *pointers, 0))
