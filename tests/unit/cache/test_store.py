# SPDX-License-Identifier: GPL-2.0-only
"""The store: an entry is made once, shows up whole, is made again if damaged, and pruned by use."""

from __future__ import annotations

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from harness.cache.locks import StillLocked, locked
from harness.cache.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS = 60.0


def filling(text: str, made: list[str] | None = None) -> Callable[[Path], None]:
    def fill(new: Path) -> None:
        (new / "file").write_text(text)
        if made is not None:
            made.append(text)

    return fill


def names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "things", seconds=SECONDS)


def test_an_entry_is_made_once(store: Store) -> None:
    made: list[str] = []
    assert store.find("k") is None
    entry = store.find_or_make("k", filling("one", made))
    assert entry == store.root / "k"
    assert (entry / "file").read_text() == "one"
    assert store.find_or_make("k", filling("two", made)) == entry == store.find("k")
    assert made == ["one"]
    assert names(store.root) == {"k"}


def test_many_at_once_make_it_once(store: Store) -> None:
    made: list[str] = []

    def fill(new: Path) -> None:
        time.sleep(0.2)
        filling("one", made)(new)

    with ThreadPoolExecutor(4) as pool:
        entries = set(pool.map(lambda _: store.find_or_make("k", fill), range(4)))
    assert entries == {store.root / "k"}
    assert made == ["one"]


def test_nobody_sees_it_before_it_is_whole(store: Store) -> None:
    def fill(new: Path) -> None:
        filling("one")(new)
        assert store.find("k") is None
        assert not (store.root / "k").exists()

    assert store.find_or_make("k", fill)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_nothing_and_keeps_what_was_there(
    store: Store, error: type[BaseException]
) -> None:
    entry = store.find_or_make("k", filling("one"))
    (entry / "file").write_text("damaged")

    def fail(new: Path) -> None:
        filling("half")(new)
        raise error

    for key in ("k", "other"):
        with pytest.raises(error):
            store.find_or_make(key, fail)
    assert names(store.root) == {"k"}
    assert store.find("k") is None


def test_a_damaged_entry_is_made_again(store: Store) -> None:
    entry = store.find_or_make("k", filling("one"))
    (entry / "file").write_text("damaged")
    assert (store.find_or_make("k", filling("two")) / "file").read_text() == "two"
    assert names(store.root) == {"k"}


def test_an_entry_without_a_seal_needs_only_its_folder(tmp_path: Path) -> None:
    store = Store(tmp_path, seconds=SECONDS, is_sealed=False, mode=0o700)
    entry = store.find_or_make("k", filling("one"))
    assert names(entry) == {"file"}
    assert entry.stat().st_mode & 0o777 == 0o700
    (entry / "file").write_text("changed")
    assert store.find("k") == entry


def test_it_reaches_the_disk_before_its_name_does(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[int, bool] = {}
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.setdefault(os.fstat(fd).st_ino, (store.root / "k").exists())
    )
    entry = store.find_or_make("k", filling("one"))
    of = {path.name: synced[path.stat().st_ino] for path in (entry / "file", entry, store.root)}
    assert of == {"file": False, "k": False, "things": True}


def test_what_a_killed_process_left_goes_with_the_next_entry(store: Store) -> None:
    (store.root / ".new-x" / "new").mkdir(parents=True)
    store.find_or_make("k", filling("one"))
    assert names(store.root) == {"k"}


def test_the_last_used_entries_stay(tmp_path: Path) -> None:
    store = Store(tmp_path, seconds=SECONDS, kept=2)
    for age, key in enumerate(("newest", "newer", "old", "oldest")):
        path = Store(tmp_path, seconds=SECONDS).find_or_make(key, filling(key))
        os.utime(path, (1000 - age, 1000 - age))
    assert store.find("oldest"), "which counts as used now"
    store.find_or_make("new", filling("new"))
    assert names(tmp_path) == {"oldest", "new"}


def test_an_entry_that_was_used_lately_stays_in_any_case(tmp_path: Path) -> None:
    store = Store(tmp_path, seconds=SECONDS, kept=1, idle_seconds=3600)
    for key, age in (("lately", 1800), ("long ago", 7200)):
        path = Store(tmp_path, seconds=SECONDS).find_or_make(key, filling(key))
        os.utime(path, (time.time() - age, time.time() - age))
    store.find_or_make("new", filling("new"))
    assert names(tmp_path) == {"lately", "new"}


def test_an_entry_that_is_pruned_while_it_is_looked_up_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path, seconds=SECONDS, kept=1)
    store.find_or_make("k", filling("one"))

    def checked(entry: Path) -> bool:
        shutil.rmtree(entry, ignore_errors=True)
        return True

    with monkeypatch.context() as patched:
        patched.setattr("harness.cache.store.is_sealed", checked)
        assert store.find("k") is None
        assert (store.find_or_make("k", filling("two")) / "file").read_text() == "two"


def test_only_entries_of_the_same_kind_are_pruned(tmp_path: Path) -> None:
    store = Store(tmp_path, seconds=SECONDS, kept=1)
    store.find_or_make("b1", filling("b1"))
    for key in ("a1", "a2"):
        store.find_or_make(key, filling(key), among=lambda path: path.name.startswith("a"))
    assert names(tmp_path) == {"b1", "a2"}


def test_a_lock_that_is_held_for_too_long_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "things", seconds=0.3)
    with (
        locked(tmp_path / "things.lock", seconds=1),
        pytest.raises(StillLocked, match=r"another process has held .*/things\.lock"),
    ):
        store.find_or_make("k", filling("one"))
    assert store.find_or_make("k", filling("one"))


def test_who_waits_for_a_lock_is_told_how_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cache.locks._TELL_EVERY", 0.05)
    held, release, said = threading.Event(), threading.Event(), list[float]()

    def hold() -> None:
        with locked(tmp_path / "lock", seconds=1):
            held.set()
            release.wait(SECONDS)

    def waiting(seconds: float) -> None:
        said.append(seconds)
        if len(said) == 3:
            release.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold)
        assert held.wait(SECONDS)
        with locked(tmp_path / "lock", seconds=SECONDS, waiting=waiting):
            assert said == sorted(said)
    assert len(said) >= 3
