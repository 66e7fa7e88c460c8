# SPDX-License-Identifier: GPL-2.0-only
"""A flavour of a line: the same source, one fragment more, and objects that begin as a copy."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import FILES, LINE, MAKEFILE, Miniature, make_miniature, pack

from harness.host.errors import UserError
from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest

if TYPE_CHECKING:
    from pathlib import Path

    from harness.kernel.build.images import KernelImage

# As in the real kernel, an object is not made anew for every change of the configuration.
INCREMENTAL = MAKEFILE.replace("%.c $(O)/.config", "%.c")
LIBRARY = "overlay/kernel/library.c"


@pytest.fixture
def mini(tmp_path: Path) -> Miniature:
    mini = make_miniature(tmp_path)
    pack(mini.sources, {**FILES, "Makefile": INCREMENTAL})
    (mini.patches / "config/debug.config").write_text("CONFIG_DEBUG=y\nCONFIG_BASE=m\n")
    return mini


def build(
    mini: Miniature, flavour: str = "", said: list[str] | None = None, *, space: int | None = 0
) -> KernelImage:
    lines: list[str] = [] if said is None else said
    workspace = replace(mini.workspace, free_space=space)
    request = BuildRequest(LINE, flavour=flavour)
    return kernel_image(request, progress=lines.append, workspace=workspace)


def compiled(mini: Miniature, log: str) -> list[str]:
    lines = (mini.built / log).read_text().splitlines()
    return [line.split()[1] for line in lines if line.startswith("  CC ")]


def test_it_is_another_image_from_a_copy_of_the_objects(mini: Miniature) -> None:
    own = build(mini)
    before = own.config.read_text()
    debug = build(mini, "debug")
    assert debug.key != own.key
    assert (own.meta["flavour"], debug.meta["flavour"]) == ("", "debug")
    assert {"CONFIG_DEBUG=y", "CONFIG_BASE=m"} <= set(debug.config.read_text().split())
    assert own.config.read_text() == before
    assert "CONFIG_DEBUG" not in before
    assert compiled(mini, "build-debug.log") == []
    assert len(compiled(mini, "build.log")) == 5
    said: list[str] = []
    assert (build(mini, "", said), build(mini, "debug", said)) == (own, debug)
    assert said == []


def test_one_overlay_file_changed_compiles_one_file_in_each(mini: Miniature) -> None:
    first = {build(mini).key, build(mini, "debug").key}
    (mini.patches / LIBRARY).write_text("int library(void) { return 5; }\n")
    second = {build(mini, "debug").key, build(mini).key}
    assert not first & second
    assert len(second) == 2
    for log in ("build.log", "build-debug.log"):
        assert compiled(mini, log) == ["kernel/library.o"]
        assert "tinyconfig" not in (mini.built / log).read_text()


def test_what_compiled_all_of_its_own_is_copied_again(mini: Miniature) -> None:
    build(mini), build(mini, "debug")
    for path in mini.patches.glob("overlay/**/*.c"):
        path.write_text(path.read_text() + "int more;\n")
    build(mini)
    assert compiled(mini, "build.log")
    build(mini, "debug")
    assert compiled(mini, "build-debug.log") == []


def test_its_fragment_changes_its_image_alone(mini: Miniature) -> None:
    own, debug = build(mini), build(mini, "debug")
    (mini.patches / "config/debug.config").write_text("CONFIG_DEBUG=m\n")
    assert build(mini) == own
    assert build(mini, "debug").key != debug.key


def test_it_can_come_first(mini: Miniature) -> None:
    debug = build(mini, "debug")
    assert len(compiled(mini, "build-debug.log")) == 5
    assert not (mini.built / "objects").exists()
    assert build(mini).key != debug.key
    assert build(mini, "debug") == debug


def test_another_tarball_leaves_no_flavours_objects(mini: Miniature) -> None:
    build(mini), build(mini, "debug")
    pack(mini.sources, {**FILES, "Makefile": INCREMENTAL, "lib/string.c": "int another;\n"})
    build(mini)
    assert not (mini.built / "objects-debug").exists()
    build(mini, "debug")
    assert compiled(mini, "build-debug.log") == []


def test_a_copy_that_was_cut_short_is_none(
    mini: Miniature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(mini)
    cp = tmp_path / "bin/cp"
    cp.parent.mkdir()
    cp.write_text(
        '#!/bin/sh\nfor last; do :; done\nmkdir "$last"\necho "cp: No such thing"\nexit 1\n'
    )
    cp.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{cp.parent}:{os.environ['PATH']}")
        with pytest.raises(
            UserError, match="objects cannot be copied: cp: No such thing; run it by hand: cp"
        ):
            build(mini, "debug")
    assert not (mini.built / "objects-debug").exists()
    build(mini, "debug")
    assert compiled(mini, "build-debug.log") == []
    assert not (mini.built / "copy").exists()


def test_it_needs_room_for_the_copy(mini: Miniature, monkeypatch: pytest.MonkeyPatch) -> None:
    build(mini)
    usage = shutil.disk_usage(mini.cache)._replace(free=2 << 30)
    monkeypatch.setattr("harness.kernel.build.build.shutil.disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=r"needs 3\.0 GiB free"):
        build(mini, "debug", space=None)
    (mini.patches / LIBRARY).write_text("int library(void) { return 5; }\n")
    build(mini, space=None)  # with objects of its own 1 GiB is enough


def test_a_flavour_that_is_not_there(mini: Miniature) -> None:
    with pytest.raises(UserError, match=r"config/other\.config is missing"):
        build(mini, "other")
