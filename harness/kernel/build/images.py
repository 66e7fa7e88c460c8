# SPDX-License-Identifier: GPL-2.0-only
"""Kernel images: the products of a build, kept under a key that names all its inputs."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.cache.notes import read_note, write_note
from harness.cache.places import IMAGES
from harness.cache.store import Store
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_START_KERNEL_MAP = 0xFFFFFFFF80000000  # arch/x86/include/asm/page_64_types.h
_META = "meta.json"
_COMPILER = re.compile(r'^CONFIG_CC_VERSION_TEXT="(.*)"$', re.MULTILINE)
_BUILT_IN = re.compile(r"^CONFIG_(\w+)=y$", re.MULTILINE)
_PUBLISH_SECONDS = 1800.0  # to copy 200 MB takes 10 s on an idle disk
_KEPT = 6  # images of one line and flavour, about 125 MB each, of which the vmlinux has 100
_IDLE_SECONDS = 4 * 3600.0  # a run may boot an image that was used within four hours


@dataclass(frozen=True)
class KernelImage:
    """A built kernel: `key` is a hash over source, series, configuration and toolchain."""

    line: str
    key: str
    directory: Path

    @property
    def bzimage(self) -> Path:
        """The bootable image."""
        return self.directory / "bzImage"

    @property
    def system_map(self) -> Path:
        """The addresses of the kernel's symbols, as linked."""
        return self.directory / "System.map"

    @property
    def vmlinux(self) -> Path:
        """The ELF kernel, with the information for debuggers. Raises UserError if it is missing."""
        path = self.directory / "vmlinux"
        if not path.is_file():
            raise UserError(
                f"the kernel image {self.key[:12]} has no vmlinux: older ones were built without",
                hint=f"`rm -r {self.directory}` has the same command build it again",
            )
        return path

    @property
    def config(self) -> Path:
        """The whole configuration it was built with."""
        return self.directory / "config"

    @property
    def build_log(self) -> Path:
        """The output of make and its helpers."""
        return self.directory / "build.log"

    @property
    def handlers(self) -> Path:
        """The folder of the handlers' programs, unstripped."""
        return self.directory / "handlers"

    @property
    def modules(self) -> tuple[Path, ...]:
        """The modules that were built, in the order of their names."""
        return tuple(sorted(self.directory.glob("*.ko")))

    @cached_property
    def meta(self) -> Mapping[str, str]:
        """Hashes of `source`, `series` and `config`."""
        return read_note(self.directory / _META, dict[str, str]) or {}

    @property
    def merged(self) -> list[str]:
        """What was merged or left out where patches did not apply, a line for each."""
        return self.meta.get("merged", "").splitlines()

    @cached_property
    def options(self) -> frozenset[str]:
        """The options it was built with, built in or as modules, without their prefix."""
        lines = self.config.read_text().splitlines()
        return frozenset(
            line.removeprefix("CONFIG_").partition("=")[0]
            for line in lines
            if line.startswith("CONFIG_")
        )

    @cached_property
    def built_in(self) -> frozenset[str]:
        """The options whose code is in the kernel itself, without their prefix."""
        return frozenset(_BUILT_IN.findall(self.config.read_text()))

    @property
    def release(self) -> str:
        """The release, as `uname -r` prints it; empty if the image does not say.

        The image's header names it (Documentation/arch/x86/boot.rst: kernel_version).
        """
        image = self.bzimage.read_bytes()
        start = 0x200 + int.from_bytes(image[0x20E:0x210], "little")
        words = image[start : image.find(b"\0", start)].split()
        return words[0].decode(errors="replace") if words else ""

    @property
    def compiler(self) -> str:
        """The version of the compiler that built it; empty if its configuration does not say."""
        found = _COMPILER.search(self.config.read_text())
        return found[1] if found else ""

    @property
    def symbols(self) -> Mapping[str, int]:
        """The kernel's symbols and their addresses, as linked."""
        return self._symbols

    @cached_property
    def version(self) -> tuple[int, ...]:
        """The version of Linux, such as (6, 12, 94), by its configuration's heading."""
        heading = re.search(r"^# Linux/\S+ (\d+(?:\.\d+)*)", self.config.read_text(), re.MULTILINE)
        return tuple(int(number) for number in heading[1].split(".")) if heading else ()

    @cached_property
    def _symbols(self) -> Mapping[str, int]:
        symbols: dict[str, int] = {}
        for text in self.system_map.read_text().splitlines():
            address, _, name = text.split(" ", 2)
            symbols.setdefault(name, int(address, 16))
        return symbols

    def symbol(self, name: str) -> int:
        """Return a kernel symbol's virtual address as linked, which KASLR moves."""
        try:
            return self._symbols[name]
        except KeyError as error:
            raise UserError(
                f"the kernel image {self.key[:12]} has no symbol {name}",
                hint=f"look at {self.system_map} and at the witness's configuration",
            ) from error

    @cached_property
    def _places(self) -> tuple[list[int], list[str]]:
        ordered = sorted((address, name) for name, address in self._symbols.items())
        return [address for address, _ in ordered], [name for _, name in ordered]

    def symbol_at(self, address: int) -> str:
        """Return the name of the symbol that contains a kernel address."""
        addresses, names = self._places
        return names[bisect_right(addresses, address) - 1]

    @cached_property
    def witness_code(self) -> tuple[int, int]:
        """Physical address and size in bytes of the witness's code, which is contiguous."""
        names = (self.directory / "witness-functions.txt").read_text().split()
        addresses, _ = self._places
        end = self.symbol("_etext")  # init code lies beyond, and is freed after boot
        starts = [at for at in map(self.symbol, names) if at < end]
        first, last = min(starts), max(starts)
        return first - _START_KERNEL_MAP, addresses[bisect_right(addresses, last)] - first

    def physical(self, name: str) -> int:
        """Return the physical address of a symbol in the kernel's own mapping.

        This is the address for which the kernel was linked; add a machine's `load_offset`.
        """
        address = self.symbol(name)
        if address < _START_KERNEL_MAP:
            raise UserError(
                f"{name} ({address:#x}) is not in the kernel's own mapping",
                hint="per-CPU and absolute symbols have no fixed physical address",
            )
        return address - _START_KERNEL_MAP

    def handler_symbol(self, handler: str, name: str) -> int:
        """Return the address of a symbol in a handler's program, as linked."""
        from elftools.elf.elffile import ELFFile
        from elftools.elf.sections import SymbolTableSection

        path = self.handlers / handler
        if not path.is_file():
            raise UserError(
                f"the kernel image has no handler {handler}",
                hint=f"`handlers` in series.toml of {self.line} lists what is kept",
            )
        with path.open("rb") as file:
            table = ELFFile(file).get_section_by_name(".symtab")
            found = (
                table.get_symbol_by_name(name) if isinstance(table, SymbolTableSection) else None
            )
        if not found:
            raise UserError(
                f"the handler {handler} has no symbol {name}",
                hint=f"look at `nm {path}`: a static symbol may have been optimised away",
            )
        return int(found[0]["st_value"])


def find_image(line: str, key: str, *, cache: Path) -> KernelImage | None:
    """Return the image with that key if it was built before and is whole; mark it as used."""
    directory = _store(cache).find(key)
    return None if directory is None else KernelImage(line, key, directory)


def is_damaged(key: str, *, cache: Path) -> bool:
    """Whether there is something under that key that `find_image` does not take for whole."""
    store = _store(cache)
    return (store.root / key).is_dir() and store.find(key) is None


def publish(
    line: str,
    key: str,
    *,
    cache: Path,
    meta: Mapping[str, str],
    fill: Callable[[Path], None],
    flavour: str = "",
) -> KernelImage:
    """Let `fill` write an image's files, then show the image under its key.

    Only the last used images of a line and flavour stay, and those that a run may still use.
    """

    def fill_all(new: Path) -> None:
        fill(new)
        write_note(new / _META, {"line": line, "flavour": flavour, **meta})

    def is_akin(image: Path) -> bool:
        akin = read_note(image / _META, dict[str, str]) or {}
        return (akin.get("line"), akin.get("flavour", "")) == (line, flavour)

    directory = _store(cache).find_or_make(key, fill_all, among=is_akin)
    return KernelImage(line, key, directory)


def _store(cache: Path) -> Store:
    return Store(
        IMAGES.path(cache), seconds=_PUBLISH_SECONDS, kept=_KEPT, idle_seconds=_IDLE_SECONDS
    )
