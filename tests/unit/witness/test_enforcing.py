# SPDX-License-Identifier: GPL-2.0-only
"""The check of a policy finds the flags by the kernel's own types, at any offset."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.host.errors import VmLost
from harness.model.variants import LOCKDOWN, LOCKDOWN_CONFIDENTIALITY, SELINUX, YAMA
from harness.witness.enforcing import check_policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from harness.model.variants import Policy

STATE, TYPES = 0x1000, 0x2000
SOURCE = "#include <stdbool.h>\nstruct selinux_state {{ {} }} selinux_state;\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@dataclass
class Guest:
    """A machine with a kernel's BTF, its state and its symbols in memory."""

    types: bytes
    state: bytes
    load_offset: int = 0x100

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield

    def read(self, address: int, size: int) -> bytes:
        address -= self.load_offset
        start, held = (TYPES, self.types) if address >= TYPES else (STATE, self.state)
        return held[address - start : address - start + size]

    def physical(self, name: str) -> int:
        stop = TYPES + len(self.types)
        return {"selinux_state": STATE, "__start_BTF": TYPES, "__stop_BTF": stop}[name]


def types_of(folder: Path, members: str) -> bytes:
    """The BTF of a kernel whose struct selinux_state has these members."""
    source, target, types = (folder / f"state.{end}" for end in ("c", "o", "btf"))
    source.write_text(SOURCE.format(members))
    subprocess.run(["gcc", "-g", "-c", "-o", target, source], check=True, timeout=60)
    subprocess.run(["pahole", f"--btf_encode_detached={types}", target], check=True, timeout=60)
    return types.read_bytes()


def check(guest: Guest) -> None:
    check_policy(SELINUX, *cast("tuple[Any, Any]", (guest, guest)))


@pytest.mark.parametrize(
    ("members", "state"),
    [
        ("bool enforcing; bool initialized;", b"\1\1"),
        ("bool disabled; bool enforcing; bool checkreqprot; bool initialized;", b"\0\1\0\1"),
    ],
)
def test_in_force_wherever_the_flags_are(folder: Path, members: str, state: bytes) -> None:
    types = types_of(folder, members)
    check(Guest(types, state))
    enforcing = members.split().index("enforcing;") // 2
    permissive = state[:enforcing] + b"\0" + state[enforcing + 1 :]
    with pytest.raises(VmLost, match="selinux is not enforcing"):
        check(Guest(types, permissive))
    with pytest.raises(VmLost, match="selinux is not initialized"):
        check(Guest(types, state[:-1] + b"\0"))


def test_a_kernel_that_cannot_say_so_is_refused(folder: Path) -> None:
    with pytest.raises(VmLost, match="struct selinux_state has no enforcing"):
        check(Guest(types_of(folder, "bool initialized;"), b"\1"))
    with pytest.raises(VmLost):
        check(Guest(b"no types", b"\1\1"))


LEVELS = (0, 19, 29)
"""The values of lockdown's levels in some version."""


@dataclass
class Words:
    """A machine with 32-bit variables of a kernel in its memory, by their symbols."""

    values: Mapping[str, tuple[int, ...]]
    load_offset: int = 0x100

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield

    def physical(self, name: str) -> int:
        return list(self.values).index(name) * 0x1000

    def read(self, address: int, size: int) -> bytes:
        place, offset = divmod(address - self.load_offset, 0x1000)
        words = b"".join(word.to_bytes(4, "little") for word in list(self.values.values())[place])
        return words[offset : offset + size]


def check_words(policy: Policy, **values: tuple[int, ...]) -> None:
    guest = Words(values)
    check_policy(policy, *cast("tuple[Any, Any]", (guest, guest)))


def test_lockdown_is_in_force_at_its_own_level() -> None:
    check_words(LOCKDOWN, kernel_locked_down=(19,), lockdown_levels=LEVELS)
    check_words(LOCKDOWN_CONFIDENTIALITY, kernel_locked_down=(29,), lockdown_levels=LEVELS)
    with pytest.raises(VmLost, match="lockdown is not at level 1"):
        check_words(LOCKDOWN, kernel_locked_down=(0,), lockdown_levels=LEVELS)
    with pytest.raises(VmLost, match="lockdown is not at level 2"):
        check_words(LOCKDOWN_CONFIDENTIALITY, kernel_locked_down=(19,), lockdown_levels=LEVELS)


def test_yama_is_in_force_at_its_strictest() -> None:
    check_words(YAMA, ptrace_scope=(3,))
    with pytest.raises(VmLost, match="yama is not at ptrace_scope=3"):
        check_words(YAMA, ptrace_scope=(2,))
