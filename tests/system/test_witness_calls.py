# SPDX-License-Identifier: GPL-2.0-only
"""The functions that the witness calls, and its entry points: root can hook none (rule 1).

As the running kernel has it. What can be said of the image alone is in test_kernel_image.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

if TYPE_CHECKING:
    from pathlib import Path

    from harness.attacker import Attacker
    from harness.lab.images import BootImages

TRACING = "/sys/kernel/tracing"
LIBRARY = {"umd_mgmt_load", "umd_mgmt_send_recv", "umd_send_recv"}
HANDLERS = ("umd_witness_loader", "umd_witness_kthread")
START_KERNEL_MAP = 0xFFFFFFFF80000000
"""arch/x86/include/asm/page_64_types.h"""


@pytest.fixture
def code(images: BootImages) -> range:
    """The addresses of the witness's code."""
    start, size = images.kernel.witness_code
    return range(START_KERNEL_MAP + start, START_KERNEL_MAP + start + size)


def called(images: BootImages) -> set[str]:
    """What the witness calls of the kernel, and what its modules do."""
    names = set((images.kernel.directory / "witness-undefined.txt").read_text().split())
    modules = {module.stem.replace("-", "_"): module for module in images.kernel.modules}
    return names.union(*(undefined(modules[name]) for name in HANDLERS))


def undefined(module: Path) -> set[str]:
    with module.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        return {
            symbol.name
            for symbol in table.iter_symbols()
            if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name
        }


def test_root_can_make_none_of_the_witnesss_calls_fail(
    attacker: Attacker, images: BootImages
) -> None:
    """That list also has what macros put on it: every system call."""
    lines = attacker.read_file("/sys/kernel/debug/error_injection/list").decode().splitlines()
    injectable = {line.split()[0] for line in lines}
    calls = called(images)
    assert calls >= {*LIBRARY, "umd_witness_receive"}
    assert injectable >= {"should_fail_bio", "__x64_sys_kill"}
    assert not calls & injectable
    assert not [name for name in calls if name.startswith("security_")]


def test_the_witnesss_code_cannot_be_traced(
    attacker: Attacker, images: BootImages, code: range
) -> None:
    """Neither by a tracer, nor by a program that ftrace calls, BPF's included."""
    text = attacker.read_file(f"{TRACING}/available_filter_functions_addrs").decode()
    places = [int(line.split()[0], 16) for line in text.splitlines()]
    assert not [place for place in places if place in code]
    near = images.kernel.symbol("security_task_kill")
    assert any(near <= place < near + 16 for place in places)


@pytest.mark.parametrize("variant", ["kthread"])
def test_the_kernel_threads_code_cannot_be_traced(attacker: Attacker) -> None:
    """The reference is no easier to get at than the witness."""
    assert b"umd_witness_kthread " in attacker.read_file("/proc/modules")
    text = attacker.read_file(f"{TRACING}/available_filter_functions").decode()
    assert "[umd_witness_kthread]" not in text


def test_no_probe_of_roots_gets_into_the_witnesss_code(
    attacker: Attacker, images: BootImages, code: range
) -> None:
    events = f"{TRACING}/kprobe_events"
    attacker.write_file(events, b"p:vm/kill %#x" % images.kernel.symbol("security_task_kill"))
    for place in (code[0], code[len(code) // 2]):
        with pytest.raises(OSError, match="EINVAL"):
            attacker.write_file(events, b"p:vm/witness %#x" % place)
