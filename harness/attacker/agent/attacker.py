# SPDX-License-Identifier: GPL-2.0-only
"""The attacker's system calls by the names and arguments of their man pages."""

from __future__ import annotations

import re
import reprlib
import struct
from os import O_CLOEXEC, O_CREAT, O_DIRECTORY, O_RDONLY, O_TRUNC, O_WRONLY
from typing import TYPE_CHECKING

from harness.attacker.agent.calls import SystemCalls
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
"""Bytes of the handler's secret, which lies on a multiple of `_ALIGNMENT` wherever it is kept."""
_ALIGNMENT = 8

FILE_MAX = 16 << 20
"""The largest guest file that is read whole; one without an end is a guest gone astray."""

_AT_FDCWD = -100
_IOVEC = struct.Struct("<QQ")
_STATUS = struct.Struct("<i")
_PIPE = struct.Struct("<2i")
_DIRENT = struct.Struct("<QqHB")  # struct linux_dirent64 of include/linux/dirent.h
_DIRENTS = 4096
_UTSNAME = struct.Struct("130x65s195x")  # the release in struct new_utsname
_DEV_NULL = -1


class Attacker(SystemCalls):
    """Root in the guest, by its agent.

    Each method makes the system call it is named for and raises GuestError where the
    kernel refuses it, VmLost where no honest answer came in time. `guest` is the
    image that the guest runs, for its payloads.
    """

    def __init__(self, channel: Channel, guest: GuestImage) -> None:
        super().__init__(channel)
        self.shown: list[bytes] = []
        self.gained: list[str] = []
        self.tries = 0, 0
        self._payloads = guest.payloads
        self._placed: set[str] = set()

    def show(self, data: bytes) -> None:
        """Claim that `data` is the handler's secret; the host checks its hash afterwards."""
        self.shown.append(bytes(data))

    def show_all(self, data: bytes) -> None:
        """Claim that the secret is somewhere in `data`."""
        for at in range(0, len(data) - SECRET_SIZE + 1, _ALIGNMENT):
            self.show(data[at : at + SECRET_SIZE])

    def gain(self, what: str, value: object, *, truth: object) -> None:
        """Claim to have got hold of something; `truth` is what the host or the witness knows.

        Raises LookupError for a claim that is not true.
        """
        if value != truth:
            # Shortened: the guest may have said as much as it liked.
            raise LookupError(f"{what} is {reprlib.repr(truth)}, not {reprlib.repr(value)}")
        self.gained.append(what)

    def tried(self, *, won: bool) -> None:
        """Count one try of an attack that is a race."""
        before, made = self.tries
        self.tries = before + won, made + 1

    # Files

    def open(self, path: str, flags: int, mode: int = 0) -> File:
        """open(2), close-on-exec; recorded as the openat(2) that it is."""
        return File(self, self.syscall("openat", _AT_FDCWD, path, flags | O_CLOEXEC, mode))

    def close(self, fd: int) -> None:
        """close(2)."""
        self.syscall("close", fd)

    def read(self, fd: int, size: int) -> bytes:
        """read(2)."""
        memory = Memory()
        args = fd, memory.room(size, by_result=True), size
        return self._transfer("read", args, memory, size).data[0]

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """pread(2)."""
        memory = Memory()
        args = fd, memory.room(size, by_result=True), size, offset
        return self._transfer("pread64", args, memory, size).data[0]

    def write(self, fd: int, data: bytes) -> int:
        """write(2); the count written."""
        memory = Memory()
        args = fd, memory.place(data), len(data)
        return self._transfer("write", args, memory, len(data)).result

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        """pwrite(2); the count written."""
        memory = Memory()
        args = fd, memory.place(data), len(data), offset
        return self._transfer("pwrite64", args, memory, len(data)).result

    def read_file(self, path: str) -> bytes:
        """Read a whole file, of at most `FILE_MAX` bytes."""
        data = bytearray()
        with self.open(path, O_RDONLY) as file:
            while chunk := file.read(CHUNK):
                data += chunk
                if len(data) > FILE_MAX:
                    raise VmLost(f"{path!a} has more than {FILE_MAX} bytes")
        return bytes(data)

    def write_file(self, path: str, data: bytes, mode: int | None = None) -> None:
        """Write a whole file. With `mode` it is made if missing; without, it must exist.

        (O_CREAT where the filesystem makes no files, such as cgroup2's, turns a wrong path
        from ENOENT into EACCES, which would read as a refusal.)
        """
        create = O_CREAT if mode is not None else 0
        with self.open(path, O_WRONLY | O_TRUNC | create, mode or 0) as file:
            file.write_all(data)

    def listdir(self, path: str) -> list[str]:
        """The names in a directory, without `.` and `..`: getdents64(2) to its end."""
        names = []
        with self.open(path, O_RDONLY | O_DIRECTORY) as directory:
            entries = bytearray(_DIRENTS)
            while size := self.syscall("getdents64", directory.fd, entries, len(entries)):
                names += list(_names(bytes(entries[:size])))
        return [name for name in names if name not in (".", "..")]

    def pipe(self) -> tuple[File, File]:
        """pipe2(2), close-on-exec: the end to read from, and the end to write to."""
        ends = bytearray(_PIPE.size)
        self.syscall("pipe2", ends, O_CLOEXEC)
        reader, writer = _PIPE.unpack(ends)
        return File(self, reader), File(self, writer)

    def release(self) -> tuple[int, int]:
        """uname(2): the first two numbers of the kernel's version."""
        names = bytearray(_UTSNAME.size)
        self.syscall("uname", names)
        major, minor = re.findall(rb"\d+", _UTSNAME.unpack(names)[0])[:2]
        return int(major), int(minor)

    def fcntl(self, fd: int, command: int, argument: int = 0) -> int:
        """fcntl(2), for the commands whose argument is a number."""
        return self.syscall("fcntl", fd, command, argument)

    def mkdir(self, path: str, mode: int = 0o755) -> None:
        """mkdir(2)."""
        self.syscall("mkdir", path, mode)

    def unlink(self, path: str) -> None:
        """unlink(2)."""
        self.syscall("unlink", path)

    def rename(self, old: str, new: str) -> None:
        """rename(2)."""
        self.syscall("rename", old, new)

    def chmod(self, path: str, mode: int) -> None:
        """chmod(2)."""
        self.syscall("chmod", path, mode)

    def mount(
        self, source: str, target: str, fstype: str, flags: int = 0, options: str = ""
    ) -> None:
        """mount(2)."""
        self.syscall("mount", source, target, fstype, flags, options)

    # Processes

    def getpid(self) -> int:
        """getpid(2): the agent's own."""
        return self.syscall("getpid")

    def kill(self, pid: int, signal: int) -> None:
        """kill(2)."""
        self.syscall("kill", pid, signal)

    def tgkill(self, tgid: int, tid: int, signal: int) -> None:
        """tgkill(2)."""
        self.syscall("tgkill", tgid, tid, signal)

    def pidfd_open(self, pid: int, flags: int = 0) -> File:
        """pidfd_open(2)."""
        return File(self, self.syscall("pidfd_open", pid, flags))

    def pidfd_getfd(self, pidfd: int, fd: int) -> File:
        """pidfd_getfd(2)."""
        return File(self, self.syscall("pidfd_getfd", pidfd, fd, 0))

    def pidfd_send_signal(self, pidfd: int, signal: int) -> None:
        """pidfd_send_signal(2)."""
        self.syscall("pidfd_send_signal", pidfd, signal, 0, 0)

    def waitpid(self, pid: int, options: int = 0) -> tuple[int, int]:
        """Wait as wait4(2) does; the pid and the wait status, which the `os.W*` functions read."""
        status = bytearray(_STATUS.size)
        pid = self.syscall("wait4", pid, status, options, 0)
        return pid, _STATUS.unpack(status)[0]

    def prctl(self, option: int, *args: int) -> int:
        """prctl(2)."""
        return self.syscall("prctl", option, *args)

    def prlimit(self, pid: int, resource: int, limits: tuple[int, int]) -> None:
        """prlimit64(2), to set soft and hard limit."""
        self.syscall("prlimit64", pid, resource, struct.pack("<2Q", *limits), 0)

    def sched_setscheduler(self, pid: int, policy: int, priority: int) -> None:
        """sched_setscheduler(2)."""
        self.syscall("sched_setscheduler", pid, policy, struct.pack("<i", priority))

    def sched_setaffinity(self, pid: int, cpus: set[int]) -> None:
        """sched_setaffinity(2), for CPUs below 64."""
        mask = struct.pack("<Q", sum(1 << cpu for cpu in cpus))
        self.syscall("sched_setaffinity", pid, len(mask), mask)

    def process_vm_readv(self, pid: int, address: int, size: int) -> bytes:
        """process_vm_readv(2) of one range, in whole or ShortTransfer."""
        memory = Memory()
        local = _IOVEC.pack(memory.room(size, by_result=True), size)
        args = pid, memory.place(local), 1, memory.place(_IOVEC.pack(address, size)), 1, 0
        reply = self._transfer("process_vm_readv", args, memory, size)
        if reply.result != size:
            raise ShortTransfer("process_vm_readv", count=reply.result, wanted=size)
        return reply.data[0]

    def process_vm_writev(self, pid: int, address: int, data: bytes) -> None:
        """process_vm_writev(2) of one range, in whole or ShortTransfer."""
        memory = Memory()
        local = _IOVEC.pack(memory.place(data), len(data))
        args = pid, memory.place(local), 1, memory.place(_IOVEC.pack(address, len(data))), 1, 0
        count = self._transfer("process_vm_writev", args, memory, len(data)).result
        if count != len(data):
            raise ShortTransfer("process_vm_writev", count=count, wanted=len(data))

    def ptrace(self, request: int, pid: int, address: int = 0, data: int = 0) -> int:
        """ptrace(2), as the system call: see `seize` for what is easier to use."""
        return self.syscall("ptrace", request, pid, address, data)

    def seize(self, pid: int, options: int = 0) -> Tracee:
        """Trace a process: seized and stopped in the `with` block, let go at its end."""
        return Tracee(self, pid, options)

    def fork(self) -> int:
        """Fork a child that does nothing, for calls that need a process to act on; its pid."""
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
        """Start a program with the agent's descriptors given, or /dev/null; its pid."""
        memory = Memory()
        argv = _vector(memory, (path, *args))
        envp = 0 if env is None else _vector(memory, [f"{k}={v}" for k, v in env.items()])
        words = memory.place(path.encode() + b"\0"), argv, envp, stdin, stdout, stderr
        display = tuple(ascii(arg) for arg in (path, *args))
        return self._call("spawn", words, memory, display=display).result

    def run(self, path: str, *args: str, stdout: int = _DEV_NULL) -> None:
        """Run a program to its end. Raises ChildProcessError unless it ends well."""
        _, status = self.waitpid(self.spawn(path, *args, stdout=stdout))
        if status:
            raise ChildProcessError(f"{path} ended with wait status {status:#x}")

    def payload(self, name: str) -> str:
        """Put a compiled payload (guest-images/payloads/<name>.c) into the guest; its path.

        Once: a program that runs cannot be written again.
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
    """Yield the names of directory entries; what says it is too short to be one is a lie."""
    while entries:
        size = _DIRENT.unpack_from(entries)[2] if len(entries) > _DIRENT.size else 0
        if not _DIRENT.size < size <= len(entries):
            raise VmLost("a directory entry of impossible size")
        name, _, _ = entries[_DIRENT.size : size].partition(b"\0")
        yield name.decode(errors="surrogateescape")
        entries = entries[size:]


def _vector(memory: Memory, strings: tuple[str, ...] | list[str]) -> int:
    """Lay out a NULL-ended vector of strings, as execve(2) takes it; its address."""
    pointers = [memory.place(string.encode() + b"\0") for string in strings]
    return memory.place(struct.pack(f"<{len(pointers) + 1}Q", *pointers, 0))
