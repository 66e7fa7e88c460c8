# SPDX-License-Identifier: GPL-2.0-only
"""Valid and malformed vmcoreinfo notes."""

from __future__ import annotations

import struct

import pytest

from harness.host.errors import VmLost
from harness.vm import kaslr
from harness.vm.kaslr import find_kernel, placement, vmcoreinfo

NOTE = b"OSRELEASE=6.12.1\nNUMBER(phys_base)=-16777216\nKERNELOFFSET=a000000\nX=1\n"
MEMORY = 256 << 20


def core(*notes: tuple[bytes, bytes]) -> bytes:
    """An ELF core with these notes (name, content) and no memory."""
    content = b""
    for name, data in notes:
        content += struct.pack("<III", len(name) + 1, len(data), 0)
        for piece in (name + b"\0", data):
            content += piece + bytes(-len(piece) % 4)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 4, 0, 120, 0, 0, len(content), len(content), 4)
    return header + segment + content


def test_the_kernel_is_moved_twice() -> None:
    assert placement(NOTE) == (0xA000000 - 0x1000000, 0xA000000)


@pytest.mark.parametrize(
    "note",
    [
        b"",
        NOTE.replace(b"KERNELOFFSET=a", b"KERNELOFFSET=g"),
        NOTE.replace(b"KERNELOFFSET", b"NOKERNELOFFSET"),
        NOTE.replace(b"phys_base", b"phys"),
        NOTE.replace(b"-16777216", b"9" * 21),
    ],
)
def test_a_note_that_does_not_say_it(note: bytes) -> None:
    with pytest.raises(VmLost, match="does not say where its kernel is"):
        placement(note)


def test_the_note_is_found_among_others() -> None:
    assert vmcoreinfo(core((b"CORE", b"regs"), (b"VMCOREINFO", NOTE))) == NOTE
    assert vmcoreinfo(core((b"CORE", NOTE))) is None
    with pytest.raises(VmLost, match="no ELF file"):
        vmcoreinfo(b"VMCOREINFO" + NOTE)


def test_the_note_is_waited_for() -> None:
    cores = iter([core((b"CORE", b"regs")), core((b"VMCOREINFO", NOTE))])
    assert find_kernel(lambda: next(cores), size=MEMORY) == (0x9000000, 0xA000000)


@pytest.mark.parametrize("base", [b"-999999999999", b"999999999999"])
def test_a_place_outside_memory_is_none(base: bytes) -> None:
    note = NOTE.replace(b"-16777216", base)
    with pytest.raises(VmLost, match="outside memory"):
        find_kernel(lambda: core((b"VMCOREINFO", note)), size=MEMORY)


def test_a_note_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kaslr, "NOTE_SECONDS", 0.2)
    with pytest.raises(VmLost, match=r"no vmcoreinfo note in 0\.2 s"):
        find_kernel(core, size=MEMORY)
