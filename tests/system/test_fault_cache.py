# SPDX-License-Identifier: GPL-2.0-only
"""A cache that a crash has truncated, emptied or littered is repaired, or the damage is named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness_process import Place, make_place, place
from miniature_kernel import make_miniature
from vm_machines import Machines, machines

from harness.cache.clean import clean
from harness.cache.integrity import SEAL
from harness.host.errors import UserError
from harness.host.paths import cache_dir
from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest
from harness.vm.states import saved_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.lab.lab import Lab

__all__ = ["machines", "place"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

EXPECTED = {"nothing": "held", "host_tamper": "tampered"}


@pytest.fixture(scope="module")
def states(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of whole states, made once."""
    assert lab.image.bzimage.is_file()
    place = make_place(tmp_path_factory.mktemp("whole"))
    place.run().succeeded()
    return place.cache / "states"


def state(place: Place) -> Path:
    """The one state of the place."""
    (found,) = (place.cache / "states").glob("*-baseline/*/")
    return found


def test_what_is_whole_is_not_made_again(place: Place, states: Path) -> None:
    copy_states(states, place)
    before = (state(place) / "ram").stat().st_ino
    place.run().succeeded()
    assert (state(place) / "ram").stat().st_ino == before


def copy_states(states: Path, place: Place) -> None:
    (place.cache / "states").rmdir()
    command = ["cp", "-a", "--sparse=always", str(states), str(place.cache / "states")]
    subprocess.run(command, check=True, timeout=120)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def garble(path: Path) -> None:
    """Keep its size and lose its content."""
    path.write_bytes(os.urandom(path.stat().st_size))


def empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize(
    ("name", "damage"),
    [("ram", cut), ("device", garble), ("placement.json", Path.unlink), (SEAL, empty)],
)
def test_a_damaged_state_is_made_again(
    place: Place, states: Path, name: str, damage: Callable[[Path], None]
) -> None:
    copy_states(states, place)
    before = (state(place) / SEAL).stat().st_mtime_ns
    (state(place) / name).chmod(0o644)
    damage(state(place) / name)
    done = place.run()
    done.succeeded()
    assert place.kept()[1] == EXPECTED
    assert (state(place) / SEAL).stat().st_mtime_ns > before
    assert not place.left()


@pytest.mark.parametrize(
    ("name", "damage"),
    [("initramfs.cpio", cut), ("payloads/false_handler", empty)],
)
def test_a_damaged_guest_image_is_made_again(
    place: Place, lab: Lab, states: Path, name: str, damage: Callable[[Path], None]
) -> None:
    copy_states(states, place)  # the guest image is made again, and no machine is booted for it
    guest = place.own("guests", lab.guest.key)
    whole = (guest / name).read_bytes()
    damage(guest / name)
    done = place.run()
    done.succeeded()
    assert "guest image: packing" in done.out
    assert (guest / name).read_bytes() == whole
    assert not place.left()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("bzImage", cut),
        ("bzImage", Path.unlink),
        ("System.map", empty),
        ("handlers/handler", garble),
        ("meta.json", garble),
        (SEAL, cut),
    ],
)
def test_a_damaged_kernel_image_is_built_again(
    tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    """From the objects that are there."""
    mini = make_miniature(tmp_path)
    said: list[str] = []

    def build() -> Path:
        said.clear()
        return kernel_image(
            BuildRequest("6.12"), progress=said.append, workspace=mini.workspace
        ).directory

    image = build()
    whole = (image / name).read_bytes()
    damage(image / name)
    assert build() == image
    assert said[0] == f"kernel: the image {image.name[:12]} is damaged, so it is built again"
    assert not [text for text in said if "unpacking" in text]
    if name != SEAL:  # which has the log's hash too
        assert (image / name).read_bytes() == whole
    build()
    assert not said


@pytest.mark.parametrize("damage", [Path.unlink, empty])
def test_a_kernel_that_goes_missing_is_named(
    machines: Machines, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """Between its build and its start."""
    kernel = tmp_path / "bzImage"
    kernel.touch()
    damage(kernel)
    spec = replace(machines.spec, kernel=kernel, name="damaged")
    told = f"^{kernel} is missing or empty: .* with `umd-harness clean"
    with pytest.raises(UserError, match=told):
        saved_state(spec, machines.accelerator, ready=machines.wait_for_agent)
    assert not list((machines.cache / "states/damaged").iterdir())


def test_notes_that_are_garbage_are_written_anew(place: Place, states: Path) -> None:
    copy_states(states, place)
    names = ("accelerator.json", "qemu.json", "source-6.12.json")
    for name in names:
        garble(place.cache / name)
    place.run().succeeded()
    for name in names:
        whole = json.loads((cache_dir() / name).read_text())
        assert json.loads((place.cache / name).read_text()).keys() == whole.keys()


def test_what_killed_runs_left_is_swept(place: Place, lab: Lab) -> None:
    """With the next thing of its kind that is made."""
    shutil.rmtree(place.own("guests", lab.guest.key))
    left = [
        place.cache / "states/6.12-baseline/.new-x",
        place.cache / "guests/.new-x",
        place.cache / "machines/x",
    ]
    for folder in left:
        folder.mkdir(parents=True)
        (folder / "ram").write_bytes(b"left")
    assert set(place.left()) == set(left)
    place.run().succeeded()
    assert not place.left()


def test_clean_takes_what_killed_builds_left(tmp_path: Path) -> None:
    left = ["guests/.new-x", "images/.6.12.new", ".removed-states-1"]
    for name in (*left, "guests/whole", "images/whole"):
        (tmp_path / name).mkdir(parents=True)
    removed = {
        str(one.path.relative_to(tmp_path)) for one in clean(everything=False, cache=tmp_path)
    }
    assert removed == set(left)
    assert (tmp_path / "guests/whole").is_dir()
    assert (tmp_path / "images/whole").is_dir()
    assert not [name for name in left if (tmp_path / name).exists()]
