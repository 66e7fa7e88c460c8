# SPDX-License-Identifier: GPL-2.0-only
"""Which files programs write, and what."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from harness.campaign.files import Files, GuestFile, listed_words
from harness.campaign.kept import CampaignFolder, Subject
from harness.campaign.resources import FILES

if TYPE_CHECKING:
    from pathlib import Path

NET = [GuestFile(f"/proc/sys/net/ipv4/{number}") for number in range(500)]
POWER = GuestFile("/sys/power/pm_test", ("none", "freezer"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[none] core freezer", ("none", "core", "freezer")),
        ("none", ()),
        ("4 4 1 7", ()),
        ("cpu 4", ()),
        ("", ()),
        (" ".join(["word"] * 17), ()),
    ],
)
def test_a_list_of_words_is_told_from_other_content(line: str, words: tuple[str, ...]) -> None:
    assert listed_words(line) == words


def test_a_folder_with_many_files_is_not_chosen_more_often() -> None:
    files, random = Files([*NET, POWER]), Random(1)  # noqa: S311 - it is to be repeated
    paths = Counter(files.path(random) for _ in range(4000))
    net = sum(paths[file.path] for file in NET)
    assert 800 < net < 1200
    assert 800 < paths[POWER.path] < 1200
    assert sum(paths[path] for path in FILES) > 1500


def test_what_a_file_lists_is_written_to_it() -> None:
    files, random = Files([POWER]), Random(1)  # noqa: S311 - it is to be repeated
    contents = Counter(files.content(random, POWER.path) for _ in range(1000))
    assert contents["freezer"] > 250
    procs = Counter(files.content(random, "/sys/fs/cgroup/c/cgroup.procs") for _ in range(1000))
    assert procs["{handler}"] > 500


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/sys/devices/system/memory/hard_offline_page", "{address}"),
        ("/sys/kernel/debug/hwpoison/corrupt-pfn", "{frame}"),
    ],
)
def test_the_handlers_page_is_written_to_files_that_take_a_page(path: str, content: str) -> None:
    random = Random(1)  # noqa: S311 - it is to be repeated
    assert path in FILES
    contents = Counter(Files().content(random, path) for _ in range(1000))
    assert contents[content] > 500


def test_a_campaign_that_goes_on_has_the_same_files(tmp_path: Path) -> None:
    folder = CampaignFolder(tmp_path / "campaign")
    folder.begin(Subject("6.12", "image", "isolated", "", "s", 8), resume=False)
    assert folder.files(list) == []
    assert folder.files(lambda: [POWER]) == [POWER]
    assert folder.files(list) == [POWER]
