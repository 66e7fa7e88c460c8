# SPDX-License-Identifier: GPL-2.0-only
"""Disks that are really full, during a build, while a state is made and while results are kept."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from harness_process import Place, ended, place, small_disk
from miniature_kernel import FILES, MAKEFILE, Miniature, make_miniature, pack
from vm_machines import Machines, machines

from harness.host.errors import UserError
from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest
from harness.vm.states import saved_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.vm.machine import Machine

__all__ = ["machines", "place", "small_disk"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

MIB = 1024  # KiB


def build(mini: Miniature, cache: Path) -> Path:
    workspace = replace(mini.workspace, cache=cache)
    request = BuildRequest("6.12")
    return kernel_image(request, progress=lambda _: None, workspace=workspace).directory


@pytest.mark.parametrize("stage", ["unpacking", "applying", "compiling"])
def test_a_disk_that_fills_during_a_build(
    tmp_path: Path, small_disk: Callable[[int], Path], stage: str
) -> None:
    """The build reports it, publishes nothing, and succeeds once there is space."""
    mini = make_miniature(tmp_path / "kernel")
    large = "8M"
    if stage == "unpacking":
        pack(mini.sources, {**FILES, "lib/large.txt": "x" * (8 * MIB * 1024)})
    elif stage == "applying":
        (mini.patches / "overlay/kernel/library.c").write_text("/* " + "x" * (8 << 20) + " */\n")
    else:
        rule = f"\t@mkdir -p $(O) && head -c {large} /dev/zero >$(O)/large\n"
        rules = MAKEFILE.replace("bzImage: $(OBJECTS)\n", "bzImage: $(OBJECTS)\n" + rule)
        pack(mini.sources, {**FILES, "Makefile": rules})
    cache = small_disk(2 * MIB) / "cache"
    with pytest.raises((UserError, OSError), match=r"[Nn]o space left"):
        build(mini, cache)
    assert not list(cache.glob("images/*"))
    assert not list(cache.rglob(".new-*"))
    small_disk(64 * MIB)
    assert (build(mini, cache) / "bzImage").stat().st_size


def test_a_disk_without_room_for_a_build(place: Place, small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(64 * MIB)
    told = ended(place.start("build", XDG_CACHE_HOME=str(disk))).told()
    assert f"building the kernel needs 6.0 GiB free at {disk}" in told
    assert "umd-harness clean" in told
    assert not (disk / "umd-harness/build/6.12/source").exists()


def on(disk: Path, place: Place) -> Path:
    """Move what the place's cache makes itself to the disk."""
    cache = disk / "umd-harness"
    shutil.copytree(place.cache, cache, symlinks=True)
    return cache


@pytest.mark.parametrize("size", [60, 200])
def test_a_disk_without_room_for_a_state(
    place: Place, small_disk: Callable[[int], Path], size: int
) -> None:
    disk = small_disk(size * MIB)
    cache = on(disk, place)
    told = place.run(XDG_CACHE_HOME=str(disk)).told()
    assert "the saved state of 6.12-baseline may need 256 MiB" in told
    assert "free some space" in told
    header, verdicts = place.kept()
    assert (header["exit_status"], verdicts) == (2, {})
    assert "may need 256 MiB" in header["error"]
    assert not list(cache.glob("machines/*/"))
    assert not list(cache.glob("states/*/*"))


def test_a_disk_that_cannot_take_a_directory(
    place: Place, small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(1 * MIB)
    cache = on(disk, place)
    fill(cache)
    told = place.run(XDG_CACHE_HOME=str(disk)).told()
    assert "No space left on device; free some space" in told or "are free; free some" in told
    assert not list(cache.glob("machines/*/"))


def fill(folder: Path) -> None:
    """Leave nothing on the folder's disk, while others write to it too."""
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass


def test_a_disk_that_fills_while_a_state_is_made(
    machines: Machines, small_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """QEMU dies of it (SIGBUS), and the reason is the disk."""
    disk = small_disk(400 * MIB)
    monkeypatch.setenv("XDG_CACHE_HOME", str(disk))

    def ready(machine: Machine) -> None:
        fill(disk)
        machines.wait_for_agent(machine)

    with pytest.raises(UserError, match=r"^the disk of .* is full: .*; free some space"):
        saved_state(machines.spec, machines.accelerator, ready=ready)
    assert not list((disk / "umd-harness").glob("machines/*/"))
    assert not list((disk / "umd-harness/states/test").iterdir())
    (disk / "filler").unlink()
    made = saved_state(machines.spec, machines.accelerator, ready=machines.wait_for_agent)
    assert made.device.is_file()


def test_a_disk_that_is_too_small_for_the_results(
    place: Place, small_disk: Callable[[int], Path]
) -> None:
    """The results that fit can be read; the others are printed."""
    disk = small_disk(24)
    done = ended(
        place.start("run", "-k", "nothing or proc_mem_write", "--variant", "baseline",
                    "--results", str(disk / "results"))
    )  # fmt: skip
    assert "some results could not be written" in done.told()
    assert "No space left on device" in done.told()
    assert "3 cells: 3 as expected" in done.out
    for lines in disk.rglob("results.jsonl"):
        assert all(json.loads(line)["verdict"] for line in lines.read_text().splitlines())
    assert not place.left()
