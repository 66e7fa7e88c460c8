# SPDX-License-Identifier: GPL-2.0-only
"""A study (L4): a handler says how to load a kernel, its reply is checked, and the kernel
starts.

The checks are those that a manager in the kernel could make (C14). They pass a wrong reply as well.
"""

from __future__ import annotations

import re
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from handler_process import running

from harness.attacker.tools.kexec import Segment, load
from harness.guests.payloads import compile_program
from harness.handlers.build import build_handler
from harness.handlers.recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.attacker import Attacker
    from harness.lab.images import BootImages
    from harness.vm.machine import Machine

START = 1024
"""The bytes of a file that the handler gets."""
SECTOR, PAGE, MIB = 512, 4096, 1 << 20
MOST_SECTORS = 256
"""Before the kernel, in any bzImage."""
ENTRY = 0x200
"""Where the kernel is entered, from its first byte on (Documentation/arch/x86/boot.rst)."""
CODE, PARAMETERS, COMMAND_LINE = MIB, MIB + PAGE, MIB + 2 * PAGE
"""Physical addresses, in RAM on every PC: what starts the kernel, and what it is given."""
VERSION, MARK = "] Linux version ", "umd_study"
SECONDS = 300
HALT = bytes.fromhex("f4ebfd")
"""x86-64: 1: hlt; jmp 1b."""
_REPLY = struct.Struct("<iIQQ")
_SYSTEM_RAM = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM$", re.MULTILINE)


class Kernel(NamedTuple):
    """struct bzimage of the handler."""

    status: int
    offset: int
    address: int
    size: int

    def check(self, file: bytes, ram: Sequence[range]) -> None:
        """Check all that can be checked without parsing the file."""
        assert self.status == 0
        assert self.offset % SECTOR == 0
        assert SECTOR < self.offset <= MOST_SECTORS * SECTOR
        assert ENTRY < len(file) - self.offset <= self.size
        assert self.address % PAGE == 0
        assert self.address > COMMAND_LINE + PAGE
        end = self.address + self.size
        assert any(area.start <= self.address and end <= area.stop for area in ram)


@pytest.fixture(scope="session")
def bzimage(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The handler's program."""
    program = tmp_path_factory.mktemp("study") / "bzimage"
    build_handler(Recipe(str(Path(__file__).with_name("bzimage.c"))), program, tree=tree)
    return program


@pytest.fixture
def file(images: BootImages) -> bytes:
    """The kernel of the guest, as a file."""
    return images.kernel.bzimage.read_bytes()


@pytest.fixture
def ram(attacker: Attacker) -> list[range]:
    """The guest's memory."""
    areas = _SYSTEM_RAM.findall(attacker.read_file("/proc/iomem").decode())
    return [range(int(start, 16), int(end, 16) + 1) for start, end in areas]


@pytest.fixture
def kernel(bzimage: Path, confine: str, file: bytes) -> Kernel:
    """The handler's reply about the file."""
    with running(bzimage, confine, reply_size=_REPLY.size) as handler:
        reply = handler.ask(struct.pack("<Q", len(file)) + file[:START])
    return Kernel(*_REPLY.unpack(reply))


def parameters(file: bytes, ram: Sequence[range]) -> bytes:
    """Return struct boot_params: the file's header, the memory, and where the command line is."""
    page = bytearray(PAGE)
    end = 0x202 + file[0x201]
    page[0x1F1:end] = file[0x1F1:end]
    page[0x210] = 0xFF  # a loader without a number
    struct.pack_into("<I", page, 0x228, COMMAND_LINE)
    page[0x1E8] = len(ram)
    for number, area in enumerate(ram):
        struct.pack_into("<QQI", page, 0x2D0 + 20 * number, area.start, len(area), 1)
    return bytes(page)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that starts what is loaded."""
    program = tmp_path_factory.mktemp("kexec") / "kexec"
    compile_program(Path(__file__).parent.parent / "system/forging/kexec.c", program)
    return program


@pytest.fixture
def boot(
    attacker: Attacker, program: Path, file: bytes, ram: list[range]
) -> Callable[[Kernel, bytes], None]:
    """Check a reply, load the kernel as the reply has it, and have code start it."""

    def boot(kernel: Kernel, code: bytes) -> None:
        kernel.check(file, ram)
        line = attacker.read_file("/proc/cmdline").strip() + f" ignore_loglevel {MARK}\0".encode()
        load(
            attacker,
            Segment(CODE, code, PAGE),
            Segment(PARAMETERS, parameters(file, ram), PAGE),
            Segment(COMMAND_LINE, line, PAGE),
            Segment(kernel.address, file[kernel.offset :], -(-kernel.size // PAGE) * PAGE),
        )
        attacker.write_file("/root/kexec", program.read_bytes(), mode=0o755)
        attacker.write_file("/enough", b"", mode=0o644)
        attacker.spawn("/root/kexec")

    return boot


def wait_for(machine: Machine, done: Callable[[], bool]) -> None:
    """Wait for an event. Only a failure takes all of the time."""
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, machine.console()[-2000:]
        time.sleep(0.1)


def test_the_kernel_starts(
    machine: Machine, kernel: Kernel, boot: Callable[[Kernel, bytes], None]
) -> None:
    """The kernel in the file says its version and command line."""
    versions = machine.console().count(VERSION)
    # mov $PARAMETERS, %rsi; mov $entry, %rax; jmp *%rax
    entry = kernel.address + ENTRY
    boot(
        kernel,
        struct.pack("<2sQ2sQ2s", b"\x48\xbe", PARAMETERS, b"\x48\xb8", entry, b"\xff\xe0"),
    )
    wait_for(machine, lambda: MARK in machine.console())
    assert machine.console().count(VERSION) == versions + 1


def test_the_checks_pass_a_lie(
    machine: Machine, kernel: Kernel, file: bytes, boot: Callable[[Kernel, bytes], None]
) -> None:
    """With another offset, other bytes of the file lie where the kernel is entered."""
    lie = kernel._replace(offset=kernel.offset + SECTOR)
    boot(lie, HALT)
    halted = f"RIP={CODE + 1:016x} "
    wait_for(machine, lambda: halted in machine.registers())
    with machine.paused():
        entered = machine.read(kernel.address + ENTRY, SECTOR)
    right, wrong = (file[at + ENTRY :][:SECTOR] for at in (kernel.offset, lie.offset))
    assert entered == wrong != right


def test_what_is_no_bzimage_is_refused(bzimage: Path, confine: str, file: bytes) -> None:
    """Each by an errno, and the next file is answered."""
    start, size = file[:START], struct.pack("<Q", len(file))
    old = start[:0x206] + b"\x09\x02" + start[0x208:]
    with running(bzimage, confine, reply_size=_REPLY.size) as handler:
        assert handler.status(b"") == "EBADMSG"
        assert handler.status(size + start[:0x267]) == "EBADMSG"
        assert handler.status(size + bytes(START)) == "EBADMSG"
        assert handler.status(struct.pack("<Q", 0x400) + start) == "EBADMSG"
        assert handler.status(size + old) == "ENOPKG"
        assert handler.status(size + start) == "0"
