# SPDX-License-Identifier: GPL-2.0-only
"""Programs for the guest: what each kind compiles to, and what names it anew."""

from __future__ import annotations

import resource
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from elftools.elf.elffile import ELFFile
from local_agent import programs

from harness.guests import payloads
from harness.guests.payloads import BPF_LOADER, compile_bpf, inputs
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources, to change."""
    copy = tmp_path / "guest-images"
    shutil.copytree(payloads.SOURCES, copy)
    monkeypatch.setattr(payloads, "SOURCES", copy)
    return copy


def test_every_source_is_a_payload() -> None:
    found = {path.name for path in programs().iterdir()}
    names = {path.stem for path in payloads.SOURCES.glob("payloads/*.c")}
    objects = {
        f"{path.stem}.o"
        for folder in ("payloads/bpf", "policies/bpf")
        for path in payloads.SOURCES.glob(f"{folder}/*.bpf.c")
    }
    assert {"false_handler"} <= names
    assert {"write_user.bpf.o", "policy.bpf.o"} <= objects
    assert names | objects | {BPF_LOADER, "agent"} == found


@pytest.fixture
def filler() -> Iterator[int]:
    """The pid of a running fill_memory, each child of which is killed: its file may not grow."""
    with subprocess.Popen([programs() / "fill_memory"], preexec_fn=no_growth) as process:
        yield process.pid
        process.kill()


def no_growth() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_memory_is_filled_anew_after_a_child_was_killed(filler: int) -> None:
    children = Path(f"/proc/{filler}/task/{filler}/children")
    seen: set[str] = set()
    while len(seen) < 3:
        seen.update(children.read_text().split())


def test_a_bpf_object_has_what_libbpf_needs() -> None:
    with (programs() / "write_user.bpf.o").open("rb") as file:
        elf = ELFFile(file)
        assert elf["e_machine"] == "EM_BPF"
        sections = {section.name for section in elf.iter_sections()}
    assert {"raw_tp/sys_enter", ".rodata", ".bss", ".BTF", "license"} <= sections


def test_the_loader_needs_nothing_of_the_guest() -> None:
    with (programs() / BPF_LOADER).open("rb") as file:
        kinds = {segment["p_type"] for segment in ELFFile(file).iter_segments()}
    assert "PT_LOAD" in kinds
    assert kinds.isdisjoint({"PT_INTERP", "PT_DYNAMIC"})


def test_a_bpf_source_that_does_not_compile_is_named(tmp_path: Path) -> None:
    source = tmp_path / "wrong.bpf.c"
    source.write_text("int wrong(void) { return missing; }\n")
    with pytest.raises(UserError, match=r"wrong\.bpf\.c does not compile: .*missing"):
        compile_bpf(source, tmp_path / "wrong.bpf.o")


def test_without_clang_there_is_no_bpf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = payloads.SOURCES / "payloads" / "bpf" / "write_user.bpf.c"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="clang-19 is missing") as error:
        compile_bpf(source, tmp_path / "write_user.bpf.o")
    assert error.value.hint == "apt-get install clang-19 libbpf-dev"


def test_a_missing_library_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(payloads.ARCHIVES, "libnowhere.a", "libnowhere-dev")
    with pytest.raises(UserError, match=r"libnowhere\.a is missing") as error:
        inputs()
    assert error.value.hint == "apt-get install libnowhere-dev"


@pytest.mark.parametrize(
    "name", ["agent/agent.c", "include/bare.h", "payloads/false_handler.c", "payloads/bpf/loader.c"]
)
def test_a_changed_source_changes_the_inputs(sources: Path, name: str) -> None:
    before = inputs()
    assert inputs() == before
    with (sources / name).open("a") as file:
        file.write("\n")
    assert inputs() != before


def test_another_compiler_changes_the_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = inputs()
    (tmp_path / "clang-19").write_text("#!/bin/sh\necho another clang\n")
    (tmp_path / "clang-19").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert inputs() != before
