# SPDX-License-Identifier: GPL-2.0-only
"""What `clean` removes, says, and leaves alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from harness.cache.clean import clean
from harness.cache.places import PLACES, Place
from harness.cli.main import main
from harness.host.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


NOTES = ("accelerator.json", "objects-6.12.json", "phases.json", "qemu.json", "source-6.12.json")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with a bit of everything."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = tmp_path / "umd-harness"
    for name in (
        "states/6.12-isolated/k/ram",
        "build/6.12/source/f",
        "images/k/bzImage",
        "guests/k/a",
        "signing/private.pem",
    ):
        (cache / name).parent.mkdir(parents=True)
        (cache / name).write_bytes(b"x" * 8192)
    for name in NOTES:
        (cache / name).write_text("{}")
    return cache


def test_what_is_made_again_soon_goes_and_images_stay(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["clean"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"removed {cache / 'states'}, 0.0 MiB",
        f"removed {cache / 'accelerator.json'}, 0.0 MiB",
        f"removed {cache / 'qemu.json'}, 0.0 MiB",
        f"removed {cache / 'build'}, 0.0 MiB",
        "removed 0.0 MiB in all",
    ]
    kept = sorted(path.name for path in cache.iterdir())
    notes = ["objects-6.12.json", "phases.json", "source-6.12.json"]
    assert kept == sorted(["guests", "images", "signing", *notes])


def test_all_takes_the_images_too_and_counts_real_blocks(cache: Path) -> None:
    with (cache / "images/k/sparse").open("wb") as file:
        file.truncate(1 << 30)
    removed = {one.path.name: one.size for one in clean(everything=True)}
    assert list(removed) == [
        *("states", "accelerator.json", "qemu.json", "build"),
        *("images", "objects-6.12.json", "phases.json", "guests", "signing", "source-6.12.json"),
    ]
    assert 8192 <= removed["images"] < 1 << 20
    assert list(cache.iterdir()) == []


def test_each_is_told_before_the_next_is_sized(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sized: list[str] = []

    def size(path: Path) -> int:
        sized.append(path.name)
        return 0

    monkeypatch.setattr("harness.cache.clean._size", size)
    for one in clean(everything=True, dry_run=True):
        assert sized[-1] == one.path.name
    assert sized[0] == "states"
    assert (cache / "states").is_dir()


@pytest.mark.usefixtures("cache")
def test_a_second_time_there_is_nothing() -> None:
    assert list(clean(everything=True))
    assert list(clean(everything=True)) == []


def test_what_an_interrupted_removal_left_goes_as_well(cache: Path) -> None:
    (cache / "states").rename(cache / ".removed-states-1")
    removed = [one.path.name for one in clean(everything=False)]
    assert removed == [".removed-states-1", "accelerator.json", "qemu.json", "build"]


def contents(cache: Path) -> dict[str, bytes]:
    files = (path for path in cache.rglob("*") if path.is_file())
    return {str(path.relative_to(cache)): path.read_bytes() for path in files}


def test_a_dry_run_says_the_same_and_removes_nothing(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (cache / "images/.new-x").mkdir()
    (cache / "images/.new-x/f").write_bytes(b"x" * (1 << 20))
    before = contents(cache)
    with FileLock(cache / "build/6.12.lock"):  # it needs no lock of a run
        assert main(["clean", "--all", "--dry-run"]) == 0
    (cache / "build/6.12.lock").unlink(missing_ok=True)
    dry = capsys.readouterr().out
    assert contents(cache) == before
    assert main(["clean", "--all"]) == 0
    assert capsys.readouterr().out == dry.replace("would remove", "removed")
    assert f"would remove {cache / 'images/.new-x'}, 1.0 MiB\n" in dry
    assert f"would remove {cache / 'images'}, 0.0 MiB\n" in dry
    assert dry.endswith("would remove 1.1 MiB in all\n")


@pytest.mark.parametrize(
    "lock", ["build/6.12.lock", "states/6.12-isolated.lock", "machines/m/lock"]
)
def test_a_cache_in_use_is_left_alone(cache: Path, lock: str) -> None:
    (cache / lock).parent.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / lock), pytest.raises(UserError, match="is locked"):
        list(clean(everything=True))
    assert (cache / "states/6.12-isolated/k/ram").exists()


LEFT = (
    *("guests/k/.new-x/boot", "guests/k/tmpx1"),  # below a guest image, as older versions left them
    *("guests/.new-x/new", "images/.new-x/new", "images/.6.12.new/f", "debian/.new-x/new"),
    *("kselftests/.new-x/new", "sources/.new-x/new", "boots/.new-x/new", "surface/.new-x/new"),
    ".new-x/new/private.pem",  # a half-made key
)


@pytest.mark.parametrize("left", LEFT)
def test_what_killed_builds_left_goes_and_what_is_whole_stays(cache: Path, left: str) -> None:
    (cache / left).parent.mkdir(parents=True, exist_ok=True)
    (cache / left).write_bytes(b"x" * 8192)
    removed = {str(one.path.relative_to(cache)): one.size for one in clean(everything=False)}
    (gone,) = removed.keys() - {"states", "accelerator.json", "qemu.json", "build"}
    assert left.startswith(gone)
    assert removed[gone] >= 8192
    assert not (cache / gone).exists()
    for name in ("images/k/bzImage", "guests/k/a", "signing/private.pem"):
        assert (cache / name).is_file()


@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place.name))
def test_each_place_goes_at_its_time_unless_its_lock_is_held(cache: Path, place: Place) -> None:
    (cache / place.name).mkdir(exist_ok=True)
    with (
        FileLock(cache / f"{place.name}.lock"),
        pytest.raises(UserError, match=f"/{place.name}.lock is locked"),
    ):
        list(clean(everything=True))
    usual = {one.path.name for one in clean(everything=False)}
    assert (place.name in usual) is not place.is_costly
    list(clean(everything=True))
    assert not (cache / place.name).exists()
