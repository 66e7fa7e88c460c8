# SPDX-License-Identifier: GPL-2.0-only
"""Changes of the guest's kernel: its own patches are told apart from all else."""

from __future__ import annotations

import struct
from dataclasses import replace
from unittest.mock import Mock, patch

import pytest

from harness.vm.guest_ram import PAGE, Change
from harness.witness.kernel_at_rest import (
    _LINKED,
    KernelAtRest,
    entry_registers,
    foreign_byte,
    is_remapped,
)
from harness.witness.patch_sites import PatchSites

TEXT = range(0xFFFFFFFF81000000, 0xFFFFFFFF81800000)
LINKED = TEXT.start + 0x2000
TRACED, STATIC, SPLIT = 0x104, 0x200, PAGE - 2
TRACER = TEXT.start + 0x9000
SITES = PatchSites(
    traced=frozenset({LINKED + TRACED, LINKED + SPLIT}),
    static=frozenset({LINKED + STATIC}),
    tracers=frozenset({TRACER}),
    text=TEXT,
    jumps=True,
)
NOP = bytes.fromhex("0f1f440000")


def patched(offset: int, code: bytes) -> bytes:
    page = bytearray(b"\x90" * PAGE)
    page[TRACED : TRACED + 5] = NOP
    page[offset : offset + len(code)] = code
    return bytes(page)


def call(target: int, opcode: int = 0xE8) -> bytes:
    """A call of `target` from the traced function."""
    return struct.pack("<Bi", opcode, target - (LINKED + TRACED + 5))


def no_probe(_target: int) -> bool:
    return False


PLAIN = patched(TRACED, NOP)


@pytest.mark.parametrize(
    ("offset", "code"),
    [
        (TRACED, call(TRACER)),
        (TRACED, call(TEXT.stop + 0x3F000000)),
        (TRACED, call(TEXT.stop + 0x3F000000, opcode=0xE9)),
        (TRACED, b"\xcc" + NOP[1:]),
        (TRACED, b"\xcc" + call(TRACER)[1:]),
        (STATIC, b"\xe8\1\2\3\4"),
        (STATIC, b"\x0f\x84\1\2\3\4"),
        (0x300, b"\xcc"),
        (SPLIT, b"\xe8\1"),
    ],
)
def test_what_the_kernel_patches_itself_is_no_change(offset: int, code: bytes) -> None:
    assert foreign_byte(LINKED, PLAIN, patched(offset, code), SITES, no_probe) is None


@pytest.mark.parametrize(
    ("offset", "code", "at"),
    [
        (0x300, b"\xc3", 0x300),
        (0x300, b"\xe9\1\2\3\4", 0x300),
        (TRACED, call(TEXT.start + 0x5000), TRACED),
        (TRACED, call(TRACER, opcode=0xE9), TRACED),
        (TRACED, call(TEXT.stop + 0x3F000000, opcode=0xEB), TRACED),
        (TRACED, b"\xc3" + NOP[1:], TRACED),
        (TRACED + 5, b"\xc3", TRACED + 5),
        (TRACED - 1, b"\xc3", TRACED - 1),
        (STATIC - 1, b"\xc3", STATIC - 1),
        (STATIC + 6, b"\xc3", STATIC + 6),
    ],
)
def test_what_it_does_not_is_told_with_its_place(offset: int, code: bytes, at: int) -> None:
    assert foreign_byte(LINKED, PLAIN, patched(offset, code), SITES, no_probe) == LINKED + at


def test_a_kernel_whose_ftrace_puts_no_jumps_has_none() -> None:
    code = call(TEXT.stop + 0x3F000000, opcode=0xE9)
    sites, now = replace(SITES, jumps=False), patched(TRACED, code)
    assert foreign_byte(LINKED, PLAIN, now, sites, no_probe) == LINKED + TRACED


@pytest.mark.parametrize("offset", [0x300, 0x301, PAGE - 5])
def test_a_jump_is_a_patch_only_if_it_leads_to_a_kprobe(offset: int) -> None:
    probe = LINKED + offset + 5 + 0x04030201
    now = patched(offset, b"\xe9\1\2\3\4")
    assert foreign_byte(LINKED, PLAIN, now, SITES, probe.__eq__) is None
    assert foreign_byte(LINKED, PLAIN, now, SITES, (probe + 1).__eq__) == LINKED + offset
    assert foreign_byte(LINKED, PLAIN, now, None, probe.__eq__) == LINKED + offset


@pytest.mark.parametrize("on_first", [1, 2, 3, 4])
def test_a_kprobe_s_jump_may_be_on_two_pages(on_first: int) -> None:
    """Where one is depends on the kernel's build: on one page in a build, on two in the next."""
    sites = replace(SITES, traced=frozenset())
    jump, start = b"\xe9\1\2\3\4", PAGE - on_first
    probe = LINKED + start + 5 + 0x04030201
    first, second = patched(start, jump[:on_first]), patched(0, jump[on_first:])
    for is_probe, expected in ((probe.__eq__, None), (no_probe, LINKED + start)):
        beside = PLAIN[-4:], second[:4]
        assert foreign_byte(LINKED, PLAIN, first, sites, is_probe, beside=beside) == expected
    for is_probe, expected in ((probe.__eq__, None), (no_probe, LINKED + PAGE)):
        beside = first[-4:], PLAIN[:4]
        found = foreign_byte(LINKED + PAGE, PLAIN, second, sites, is_probe, beside=beside)
        assert found == expected


def test_the_bytes_beside_a_page_are_read_from_the_guest() -> None:
    """The rest of a jump at the page's end is there."""
    at, jump = 0x5000, b"\xe9\1\2\3\4"
    memory = {at - 4: b"\x90" * 4, at + PAGE: jump[2:] + b"\x90"}
    machine = Mock(load_offset=0, read=lambda address, size: memory[address][:size])
    kernel = KernelAtRest.__new__(KernelAtRest)
    kernel._machine, kernel._kernel = machine, Mock(symbol=Mock(return_value=0))
    sites = replace(SITES, traced=frozenset())
    change = Change(at, PLAIN, patched(PAGE - 2, jump[:2]))
    with (
        patch("harness.witness.kernel_at_rest.patch_sites", Mock(return_value=sites)),
        patch.object(KernelAtRest, "_is_probe", Mock(return_value=True)) as is_probe,
    ):
        assert list(kernel._foreign(change, "text")) == []
    end = _LINKED + at + PAGE - 2 + len(jump)
    assert {call.args for call in is_probe.call_args_list} == {(end + 0x04030201,)}


def test_read_only_data_has_no_patches() -> None:
    for offset, code in ((TRACED, call(TRACER)), (0x300, b"\xcc")):
        assert foreign_byte(LINKED, PLAIN, patched(offset, code), None, no_probe) is not None


def entries(number: int, entry: int) -> bytes:
    return struct.pack("<512Q", *(entry if at == number else 0x1E3 for at in range(512)))


@pytest.mark.parametrize(
    ("entry", "remapped"),
    [
        (0x1E3, False),
        (0x183, False),  # neither accessed nor dirty any more
        (0x1E1, True),  # no longer writable
        (0x1E3 | 1 << 63, True),  # no longer executable
        (0x2001E3, True),  # elsewhere
        (0x1E2, True),  # nowhere
    ],
)
def test_an_entry_of_a_page_table_may_only_be_used(entry: int, remapped: bool) -> None:
    change = Change(0x1000, entries(5, 0x1E3), entries(5, entry))
    assert is_remapped(change, 5) is remapped
    assert not is_remapped(change, 6)


REGISTERS = """
CPU#0
RAX=0000000000000000 RBX=ffffffff8200d940 RCX=0000000000000020 RDX=0000000000000000
GS =0000 ffff888007800000 00000000 00000000
GDT=     fffffe0000001000 0000007f
IDT=     fffffe0000000000 00000fff
CR0=80050033 CR2=00000000004455d0 CR3=0000000002d76000 CR4=007506f0
EFER=0000000000000d01
"""


@pytest.mark.parametrize(
    ("was", "now", "same"),
    [
        ("CR2=00000000004455d0", "CR2=1", True),
        ("CR3=0000000002d76000", "CR3=1", True),
        ("CR4=007506f0", "CR4=007506f4", True),  # user space may read counters
        ("CR4=007506f0", "CR4=006506f0", False),
        ("CR4=007506f0", "CR4=005506f0", False),
        ("CR0=80050033", "CR0=80040033", False),
        ("EFER=0000000000000d01", "EFER=0000000000000501", False),
        ("IDT=     fffffe0000000000", "IDT=     ffff888000000000", False),
        ("GDT=     fffffe0000001000", "GDT=     ffff888000000000", False),
    ],
)
def test_the_registers_that_lead_into_the_kernel_are_compared(
    was: str, now: str, same: bool
) -> None:
    assert was in REGISTERS
    assert len(entry_registers(REGISTERS)) == 5
    changed = entry_registers(REGISTERS.replace(was, now))
    assert (changed == entry_registers(REGISTERS)) is same
