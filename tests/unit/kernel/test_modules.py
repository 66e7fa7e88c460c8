# SPDX-License-Identifier: GPL-2.0-only
"""The user's own modules, with the miniature kernel: built under the tree's lock, and signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from miniature_kernel import FILES, LINE, MAKEFILE, Miniature, make_miniature, pack

from harness.host.errors import DoesNotBuild, UserError
from harness.kernel.build.modules import build_modules
from harness.kernel.build.signing import unsigned

if TYPE_CHECKING:
    from pathlib import Path

KBUILD = """\
ifneq ($(M),)
modules:
	@echo $(M)/own.o > $(M)/modules.order
	@cp $(M)/own.c $(M)/own.ko
	@if flock -n $(O)/../../6.12.lock true; then echo free > $(M)/lock; fi
	@! grep -n broken $(M)/own.c | sed 's/^/own.c: error: /' | grep .
else
"""


@pytest.fixture
def mini(tmp_path: Path) -> Miniature:
    """The miniature, whose Makefile also builds a module of another folder."""
    made = make_miniature(tmp_path)
    pack(made.sources, {**FILES, "Makefile": f"{KBUILD}{MAKEFILE}endif\n"})
    return made


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The user's folder."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "Makefile").write_text("obj-m := own.o\n")
    (folder / "own.c").write_text("a module\n")
    return folder


def build(mini: Miniature, folder: Path) -> list[Path]:
    return build_modules(folder, line=LINE, progress=lambda _: None, workspace=mini.workspace)


def test_a_module_is_built_and_signed_while_nobody_changes_the_tree(
    mini: Miniature, own: Path
) -> None:
    for content in ("a module\n", "a module\n", "another\n"):
        (own / "own.c").write_text(content)
        assert build(mini, own) == [own / "own.ko"]
        signed = (own / "own.ko").read_bytes()
        assert signed.endswith(b"~Module signature appended~\n")
        assert unsigned(signed) == content.encode(), "signed once"
    assert not (own / "lock").exists()


def test_the_first_error_is_told(mini: Miniature, own: Path) -> None:
    (own / "own.c").write_text("broken\n")
    with pytest.raises(DoesNotBuild, match=r"own\.c: error: 1:broken"):
        build(mini, own)


def test_a_folder_without_modules_is_told(mini: Miniature, own: Path) -> None:
    (own / "Makefile").unlink()
    with pytest.raises(UserError, match=r"own has no Makefile; name the modules there"):
        build(mini, own)
    (own / "Kbuild").write_text("")
    pack(mini.sources, FILES)
    with pytest.raises(UserError, match="names no module; name it in `obj-m`"):
        build(mini, own)
