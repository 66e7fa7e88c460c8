# SPDX-License-Identifier: GPL-2.0-only
"""Every folder of the cache is a declared place, so that `clean` knows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.cache import places
from harness.cache.places import PLACES, Place
from harness.host.paths import PACKAGE

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = re.compile(r'\bcache(?:_dir\(\))? / f?"([^"]+)"')
"""A path below the cache that is spelt out."""


def spelt_out(text: str) -> list[str]:
    return [name for name in FOLDER.findall(text) if not name.endswith(".json")]


def test_no_module_has_a_folder_of_the_cache_that_is_not_declared() -> None:
    modules = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "cache"]
    found = {path.name: names for path in modules if (names := spelt_out(path.read_text()))}
    assert not found


def test_such_a_folder_would_be_found() -> None:
    assert spelt_out('note = cache_dir() / "more" / key') == ["more"]
    assert spelt_out('note = cache / f"more/{key}"') == ["more/{key}"]
    assert spelt_out('note = cache / f"source-{line}.json"') == []


def test_clean_is_given_each_place_once() -> None:
    declared = [place for place in vars(places).values() if isinstance(place, Place)]
    assert sorted(place.name for place in declared) == sorted(place.name for place in PLACES)
    assert len({place.name for place in PLACES}) == len(PLACES)


def test_a_place_has_its_lock_and_its_scratch_folders(tmp_path: Path) -> None:
    place = Place("more", locks=("more/*.lock",), leftovers=("more/*.part",))
    assert place.path(tmp_path) == tmp_path / "more"
    assert place.all_locks() == ("more.lock", "more/*.lock")
    assert place.all_leftovers() == ("more/.new-*", "more/*.part")
