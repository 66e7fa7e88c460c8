# SPDX-License-Identifier: GPL-2.0-only
"""A series of three commits on the miniature kernel, the last of them the witness; its author."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniature_kernel import FILES, LINE, PATCH, Miniature, pack, write_files

from harness.host.paths import cache_dir
from harness.kernel.source.tarball import checks_tree, find_source

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NAME, EMAIL = "Ada Example", "ada@example.org"

CONFINE = """\
int confine_all;

#ifdef CONFIG_UMD_WITNESS
/* For tests. */
static int confine_some;
early_param("umd_isolation", confine_some);
#else
#define confine_some 1
#endif

int confine(void) { return confine_some; }
"""
CONFINE_FOR_GOOD = """\
int confine_all;

#define confine_some 1

int confine(void) { return confine_some; }
"""

SERIES = """\
handlers = ["kernel/umd_witness/handler", "kernel/handler"]

[[commit]]
subject = "kernel: Add the library"
body = '''
Because it is wanted.
'''
overlay = ["kernel/library.c"]
patch = "0001-hook.patch"

[[commit]]
subject = "kernel: Confine"
body = '''
Strictly.
'''
witness_body = '''
But for the parameter umd_isolation=.
'''
overlay = ["kernel/confine.c"]

[[commit]]
subject = "kernel: Add the witness"
overlay = ["kernel/umd_witness/*"]
"""

TEMPLATE = """\
The small series

$base

$measured

Open: $holes

Cost: $cost
"""


def make_small_series(root: Path) -> Miniature:
    """Write it below `root`, and a tarball that has the kernel's own unifdef."""
    sources, patches = root / "src", root / "kernel-patches"
    sources.mkdir(parents=True)
    real = checks_tree(find_source(LINE, cache=cache_dir()), cache=cache_dir())
    unifdef = (real / "scripts/unifdef.c").read_text()
    makefile = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 7\nEXTRAVERSION =\n" + FILES["Makefile"]
    pack(sources, FILES | {"Makefile": makefile, "scripts/unifdef.c": unifdef})
    write_files(
        patches,
        {
            "overlay/kernel/library.c": "int library(void) { return 0; }\n",
            "overlay/kernel/confine.c": CONFINE,
            "overlay/kernel/umd_witness/core.c": "int umd_witness(void) { return 0; }\n",
            f"{LINE}/0001-hook.patch": PATCH,
            f"{LINE}/series.toml": SERIES,
            "cover-letter.txt": TEMPLATE,
        },
    )
    return Miniature(sources, patches, root / "cache")


def become(person: str, email: str, where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `where` be the home of a git user of that name, and git know no other."""
    where.mkdir(exist_ok=True)
    for role in ("AUTHOR", "COMMITTER"):
        for what in ("NAME", "EMAIL", "DATE"):
            monkeypatch.delenv(f"GIT_{role}_{what}", raising=False)
    monkeypatch.delenv("EMAIL", raising=False)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(where / ".gitconfig"))
    config = f"[user]\n\tname = {person}\n\temail = {email}\n" if person else ""
    (where / ".gitconfig").write_text(config)


def files_of(tree: Path) -> dict[str, bytes]:
    """The files below a folder, but for git's own."""
    return {
        str(path.relative_to(tree)): path.read_bytes()
        for path in tree.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(tree).parts
    }
