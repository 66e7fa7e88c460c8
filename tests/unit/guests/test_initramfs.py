# SPDX-License-Identifier: GPL-2.0-only
"""The guest image: found again by its content, the same bytes each time, sound to unpack."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.guests import policies
from harness.guests.cpio import Entry, archive, directory, program, symlink
from harness.guests.initramfs import KEPT, guest_image
from harness.guests.payloads import SOURCES, compile_program
from harness.host.errors import UserError
from harness.host.paths import cache_dir
from harness.kernel.build.signing import signing_key, unsigned


@dataclass(frozen=True)
class StandIn:
    """As much of a kernel image as a guest image needs."""

    key: str
    modules: tuple[Path, ...]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def kernel(tmp_path: Path) -> StandIn:
    """With one real object file, debugging information included, as a module."""
    source = tmp_path / "umd-sample.c"
    source.write_text("int sample;\n")
    target = source.with_suffix(".ko")
    subprocess.run(["gcc", "-g", "-c", "-o", target, source], timeout=60, check=True)
    return StandIn("k1", (target,))


def quiet(_message: str) -> None:
    """Say nothing of progress."""


def unpack(initramfs: Path, into: Path) -> None:
    into.mkdir()
    command = ["busybox", "cpio", "-idm"]
    with initramfs.open("rb") as file:
        subprocess.run(command, stdin=file, cwd=into, capture_output=True, timeout=60, check=True)


def test_what_is_inside(kernel: StandIn, tmp_path: Path) -> None:
    image = guest_image(kernel, progress=quiet)
    root = tmp_path / "root"
    unpack(image.initramfs, root)
    assert (root / "init").read_bytes() == (root / "sbin/modprobe").read_bytes()
    assert (root / "bin/sh").readlink() == Path("busybox")
    assert (root / "bin/busybox").stat().st_mode & 0o777 == 0o755
    module_file = root / "lib/modules/umd_sample.ko"
    assert 0 < module_file.stat().st_size < kernel.modules[0].stat().st_size
    bare = unsigned(module_file.read_bytes())
    assert signing_key(cache_dir()).sign(bare) == module_file.read_bytes() != bare
    assert (root / "proc").is_dir()
    assert (image.payloads / "false_handler").stat().st_mode & 0o111


def test_found_again_and_made_anew_when_an_input_changes(
    kernel: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    first = guest_image(kernel, progress=said.append)
    assert guest_image(kernel, progress=said.append) == first
    packing = "guest image: packing"
    assert said == ["guest image: compiling the agent and the payloads", packing]
    other = guest_image(StandIn("k2", kernel.modules), progress=said.append)
    assert other.key != first.key
    assert said[2:] == [packing], "the programs are the same for all kernels"
    assert (other.payloads / "burn").read_bytes() == (first.payloads / "burn").read_bytes()
    assert not (other.payloads / "burn").samefile(first.payloads / "burn")
    (tmp_path / "other/umd-harness").mkdir(parents=True)
    shutil.copytree(cache_dir() / "signing", tmp_path / "other/umd-harness/signing")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    again = guest_image(kernel, progress=quiet)
    assert again.key == first.key
    assert again.initramfs.read_bytes() == first.initramfs.read_bytes()
    assert not list((tmp_path / "other").rglob(".new-*"))
    shutil.rmtree(cache_dir() / "signing")
    assert guest_image(kernel, progress=quiet).key != first.key


@pytest.mark.parametrize("name", ["agent", "modules/umd_sample.ko", "payloads/false_handler"])
def test_a_damaged_part_has_the_image_made_again(kernel: StandIn, name: str) -> None:
    """The engines take the agent and the modules from beside the initramfs."""
    image = guest_image(kernel, progress=quiet)
    part = image.initramfs.parent / name
    whole = part.read_bytes()
    part.write_bytes(bytes(len(whole)))
    assert guest_image(kernel, progress=quiet) == image
    assert part.read_bytes() == whole


def test_a_kernels_module_and_the_agents_source_decide_the_key(
    kernel: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = guest_image(kernel, progress=quiet)
    source = tmp_path / "umd-sample.c"
    source.write_text("int other;\n")
    subprocess.run(["gcc", "-c", "-o", kernel.modules[0], source], timeout=60, check=True)
    second = guest_image(kernel, progress=quiet)
    assert second.key != first.key
    sources = tmp_path / "guest-images"
    shutil.copytree(SOURCES, sources)
    monkeypatch.setattr("harness.guests.payloads.SOURCES", sources)
    assert guest_image(kernel, progress=quiet).key == second.key
    with (sources / "agent" / "policy.h").open("a") as file:
        file.write("/* changed */\n")
    assert guest_image(kernel, progress=quiet).key != second.key


def test_images_that_were_not_used_for_a_day_go(kernel: StandIn) -> None:
    guests = cache_dir() / "guests"
    for number in range(2 * KEPT):
        (guests / f"old{number}").mkdir(parents=True)
        os.utime(guests / f"old{number}", (number, number))
    for number in range(KEPT):
        (guests / f"fresh{number}").mkdir()
    image = guest_image(kernel, progress=quiet)
    kept = {path.name for path in guests.iterdir()}
    assert kept == {image.key, *(f"fresh{number}" for number in range(KEPT))}


def test_a_module_that_is_none_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ko"
    broken.write_text("no ELF")
    with pytest.raises(UserError, match=r"broken\.ko"):
        guest_image(StandIn("k", (broken,)), progress=quiet)
    assert not list((tmp_path / "cache/umd-harness/guests").iterdir())


def test_source_that_does_not_compile_is_named(tmp_path: Path) -> None:
    source = tmp_path / "wrong.c"
    source.write_text(
        '#include "bare.h"\nint main(int argc, char **argv, char **envp) { return missing; }\n'
    )
    with pytest.raises(UserError, match=r"wrong\.c does not compile: .*missing"):
        compile_program(source, tmp_path / "wrong")


@pytest.mark.parametrize("content", [None, b"#!/bin/sh\n", Path("/bin/sh").read_bytes()])
def test_a_busybox_that_will_not_do(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, no program, or one that needs the host's libraries."""
    if content is not None:
        (tmp_path / "busybox").write_bytes(content)
        (tmp_path / "busybox").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="busybox") as error:
        guest_image(StandIn("k", ()), progress=quiet)
    assert error.value.hint == "apt-get install busybox-static"


def test_no_compiler_is_the_users_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="gcc is missing"):
        compile_program(SOURCES / "agent" / "agent.c", tmp_path / "agent")


def test_an_archive_unpacks_to_its_entries(tmp_path: Path) -> None:
    entries: list[Entry] = [
        directory("d"),
        program("d/odd", b"12345"),
        program("d/empty", b""),
        symlink("link", "d/odd"),
    ]
    target = tmp_path / "a.cpio"
    target.write_bytes(archive(entries))
    unpack(target, tmp_path / "out")
    assert (tmp_path / "out/link").read_bytes() == b"12345"
    assert (tmp_path / "out/d/empty").read_bytes() == b""


def test_what_python_compiles_beside_a_policy_makes_no_other_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel's installation compiles the policies' Python files, a checkout does when it runs."""
    monkeypatch.setattr(policies, "SOURCES", tmp_path)
    policy = tmp_path / "tsem" / "own_model.py"
    compiled = policy.parent / "__pycache__" / "own_model.cpython-311.pyc"
    compiled.parent.mkdir(parents=True)
    policy.touch()
    compiled.touch()
    assert policies.source_files() == [policy]
