# SPDX-License-Identifier: GPL-2.0-only
"""What a series touches is compiled by a cross compiler, which is gcc under that name here."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import FILES, LINE, Miniature, pack
from small_series import make_small_series

from harness.host.errors import DoesNotBuild, UserError
from harness.kernel.proofs.arm64 import compile_touched

if TYPE_CHECKING:
    from pathlib import Path

COMPILER = "aarch64-linux-gnu-gcc"
MAKEFILE = """\
allyesconfig:
\t@cp $(KCONFIG_ALLCONFIG) $(O)/.config
%.o: %.c
\t@mkdir -p $(O)/$(@D)
\t@$(CC) -DARCH_$(ARCH) -c -o $(O)/$@ $<
"""
FOLDER = "obj-y += fork.o library.o confine.o\n"


@pytest.fixture
def mini(tmp_path: Path) -> Miniature:
    """A series whose files are in the folder `kernel`, on a kernel that has allyesconfig."""
    made = make_small_series(tmp_path)
    pack(made.sources, {**FILES, "Makefile": MAKEFILE, "kernel/Makefile": FOLDER})
    return made


@pytest.fixture
def _compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = shutil.which("gcc")
    assert found
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / COMPILER).symlink_to(found)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


def compiled(mini: Miniature) -> list[str]:
    return list(compile_touched(LINE, progress=lambda _: None, workspace=mini.workspace))


@pytest.mark.usefixtures("_compiler")
def test_what_the_series_touches_is_compiled_but_for_the_witness(mini: Miniature) -> None:
    objects = ["kernel/confine.o", "kernel/fork.o", "kernel/library.o"]
    assert compiled(mini) == objects
    folder = mini.cache / "build" / f"{LINE}-arm64" / "objects"
    assert sorted(path.name for path in folder.rglob("*.o")) == [
        name.rpartition("/")[2] for name in objects
    ]


@pytest.mark.usefixtures("_compiler")
def test_the_first_error_is_told(mini: Miniature) -> None:
    confine = mini.patches / "overlay/kernel/confine.c"
    confine.write_text('#ifdef ARCH_arm64\n#error "not for this one"\n#endif\n')
    with pytest.raises(DoesNotBuild, match=r"confine\.c:2:2: error: #error .not for this one"):
        compiled(mini)


def test_a_missing_compiler_is_named_with_its_package(
    mini: Miniature, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=f"{COMPILER} is missing; apt-get install gcc-aarch64-lin"):
        compiled(mini)


@pytest.mark.usefixtures("_compiler")
def test_a_file_without_an_object_is_compiled_where_it_is_included(mini: Miniature) -> None:
    files = {
        **FILES,
        "Makefile": MAKEFILE,
        "kernel/Makefile": FOLDER.replace("fork.o", "all.o"),
        "kernel/all.c": '# include "fork.c"\n',
    }
    pack(mini.sources, files)
    assert compiled(mini) == ["kernel/confine.o", "kernel/all.o", "kernel/library.o"]
