# SPDX-License-Identifier: GPL-2.0-only
"""Every folder and note of the cache is declared, so that `clean` knows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.cache import places
from harness.cache.places import PLACES, Place
from harness.host.paths import PACKAGE

if TYPE_CHECKING:
    from pathlib import Path

PATH = re.compile(r'\bcache(?:_dir\(\))? / f?"([^"]+)"')
"""A path below the cache that is spelt out."""


def spelt_out(text: str) -> list[str]:
    """The paths in a module's text, with * for what is filled in."""
    return [re.sub(r"\{[^}]*\}", "*", name) for name in PATH.findall(text)]


def test_no_module_has_a_path_in_the_cache_that_is_not_declared() -> None:
    modules = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "cache"]
    found = {name for path in modules for name in spelt_out(path.read_text())}
    assert found == {note for place in PLACES for note in place.notes}


def test_such_a_path_would_be_found() -> None:
    assert spelt_out('note = cache_dir() / "more" / key') == ["more"]
    assert spelt_out('note = cache / f"more/{key}"') == ["more/*"]
    assert spelt_out('note = cache / f"source-{line}.json"') == ["source-*.json"]


def test_clean_is_given_each_place_once() -> None:
    declared = [place for place in vars(places).values() if isinstance(place, Place)]
    assert sorted(place.name for place in declared) == sorted(place.name for place in PLACES)
    assert len({place.name for place in PLACES}) == len(PLACES)


def test_a_place_has_its_lock_and_its_scratch_folders(tmp_path: Path) -> None:
    place = Place("more", locks=("more/*.lock",), leftovers=("more/*.part",))
    assert place.path(tmp_path) == tmp_path / "more"
    assert place.all_locks() == ("more.lock", "more/*.lock")
    assert place.all_leftovers() == ("more/.new-*", "more/*.part")
