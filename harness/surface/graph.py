# SPDX-License-Identifier: GPL-2.0-only
"""The call graph of a built kernel: direct calls from objdump, handlers from tables in its data."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from harness.host.commands import output_of, process_group
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from elftools.elf.sections import Section

_SUFFIX = re.compile(r"(?:\.(?:constprop|isra|part|cold|llvm|lto_priv)(?:\.\d+)*)+$")
_TARGET = re.compile(rb"\t(?:call|j[a-z]{1,3}) +(?:0x)?([0-9a-f]{8,16})\b")
_TAKEN = re.compile(rb"\$0x(ffffffff[0-9a-f]{8})\b|# ([0-9a-f]{16}) <")
_SYMBOL = re.compile(
    r"^ *\d+: (?P<address>[0-9a-f]{16}) +(?P<size>\w+) (?P<type>FUNC|OBJECT) .*? (?P<name>\S+)$",
    re.MULTILINE,
)
_STUB = re.compile(r"__(?:x64|ia32|ia32_compat|x32_compat)_sys_\w+")
_WORD = 8

_NO_TABLES = re.compile(
    # .init.data: functions called at boot, and lists of what can be traced, probed or made to fail.
    r"__ksymtab|__ex_table|__bug_table|\.alt|\.orc|\.ibt|\.smp_locks|\.notes|\.BTF|\.retpoline"
    r"|\.return_sites|\.call_sites|\.static_call|__param|\.debug|\.init\.data|\.rela"
)


@dataclass(frozen=True)
class Symbols:
    """A kernel's functions and objects: their addresses, sizes and names.

    `functions` has the addresses that a call or a table can hold.
    """

    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    names: tuple[str, ...]
    functions: Mapping[int, str]

    def at(self, address: int) -> str:
        """Return the name of the symbol that `address` lies in, or an empty string."""
        index = bisect_right(self.starts, address) - 1
        if index < 0 or address >= self.starts[index] + max(1, self.sizes[index]):
            return ""
        return self.names[index]


def read_symbols(vmlinux: Path) -> Symbols:
    """Read the symbols of a kernel. Raises UserError if it has none."""
    status, output = output_of(["readelf", "-sW", str(vmlinux)])
    found: dict[int, tuple[int, str]] = {}
    functions: dict[int, str] = {}
    for match in _SYMBOL.finditer(output):
        address, size, name = int(match["address"], 16), int(match["size"], 0), match["name"]
        if name.startswith(("__pfx_", "__cfi_")):
            continue
        if match["type"] == "FUNC":
            # A system call has several names at one address; keep its stub's.
            if address not in functions or name.startswith("__x64_"):
                functions[address] = base_name(name)
                found[address] = size, base_name(name)
        else:
            found.setdefault(address, (size, name))
    if status != 0 or not functions:
        raise UserError(f"{vmlinux} has no symbols", hint="take the vmlinux of the build")
    starts = tuple(sorted(found))
    return Symbols(
        starts,
        tuple(found[start][0] for start in starts),
        tuple(found[start][1] for start in starts),
        functions,
    )


def base_name(name: str) -> str:
    """Return a function's name in the source, without the suffixes that compilers add."""
    return _SUFFIX.sub("", name)


@dataclass(frozen=True)
class CallGraph:
    """The calls between functions, by name.

    `callers` has for each function its direct callers. `handlers` has the functions that are called
    by address, each with the table in the kernel's data that holds the address, or with the
    function that passes it on.
    """

    callers: Mapping[str, frozenset[str]]
    handlers: Mapping[str, str]
    functions: frozenset[str]

    @property
    def entry_points(self) -> dict[str, str]:
        """The functions that can be called from outside: system calls, and handlers in tables."""
        stubs = {name: "system call" for name in self.functions if _STUB.fullmatch(name)}
        return {**self.handlers, **stubs}

    def reaching(self, sinks: Iterable[str], *, cut: frozenset[str]) -> dict[str, tuple[str, ...]]:
        """Return each function that reaches a sink, with a shortest path that ends with the sink.

        Paths through `cut` do not count.
        """
        ways: dict[str, tuple[str, ...]] = {
            sink: (sink,) for sink in sorted(set(sinks) & self.functions)
        }
        queue = list(ways)
        for name in queue:  # grows as it goes: breadth first
            if name in cut:
                continue
            for caller in sorted(self.callers.get(name, ())):
                if caller not in ways:
                    ways[caller] = (caller, *ways[name])
                    queue.append(caller)
        return ways


def read_graph(vmlinux: Path) -> CallGraph:
    """Disassemble a kernel. Raises UserError."""
    symbols = read_symbols(vmlinux)
    callers, passed = _disassemble(vmlinux, symbols)
    tables = _tables(vmlinux, symbols)
    return CallGraph(
        {name: frozenset(found) for name, found in callers.items()},
        {**passed, **tables},
        frozenset(symbols.functions.values()),
    )


def _disassemble(
    vmlinux: Path, symbols: Symbols
) -> tuple[Mapping[str, set[str]], Mapping[str, str]]:
    """Return the callers of each function, and the functions passed by address, with the place."""
    callers: defaultdict[str, set[str]] = defaultdict(set)
    passed: dict[str, str] = {}
    argv = ["objdump", "-d", "--no-show-raw-insn", "-w", str(vmlinux)]
    caller = ""
    with process_group(argv, cwd=vmlinux.parent) as process:
        for line in process.stdout or ():
            if not line.startswith(b"ffffffff"):
                continue
            if line.endswith(b">:\n"):
                caller = symbols.at(int(line[:16], 16))
            elif match := _TARGET.search(line):
                called = symbols.at(int(match[1], 16))
                if called and caller and called != caller:
                    callers[called].add(caller)
            elif match := _TAKEN.search(line):
                taken = symbols.functions.get(int(match[1] or match[2], 16))
                if taken and caller and taken != caller:
                    passed.setdefault(taken, f"passed by {caller}")
        status = process.wait(timeout=10)
    if status != 0:
        raise UserError(f"objdump cannot read {vmlinux}", hint="run objdump by hand to see why")
    return callers, passed


def _tables(vmlinux: Path, symbols: Symbols) -> dict[str, str]:
    """Return the functions whose address lies in data, with the object that holds the address."""
    found: dict[str, str] = {}
    with vmlinux.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if _has_no_tables(section):
                continue
            data, start = section.data(), section["sh_addr"]
            for index, word in enumerate(array("Q", data[: len(data) // _WORD * _WORD])):
                if word in symbols.functions:
                    table = symbols.at(start + index * _WORD) or section.name
                    found.setdefault(symbols.functions[word], table)
    return found


def _has_no_tables(section: Section) -> bool:
    flags = section["sh_flags"]
    return (
        section["sh_type"] != "SHT_PROGBITS"
        or bool(flags & SH_FLAGS.SHF_EXECINSTR)
        or not flags & SH_FLAGS.SHF_ALLOC
        or bool(_NO_TABLES.match(section.name))
    )
