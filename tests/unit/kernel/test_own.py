# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of the user's own, in miniature: what is built, what is built again, what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from miniature_kernel import LINE, PATCH, pack, write_files
from own_tree import ADD_LIBRARY, CHANGE_STRING, OWN_FILES, Own, make_own

from harness.host.errors import UserError
from harness.kernel.build.build import kept_tree, kernel_image
from harness.kernel.build.plan import BuildRequest
from harness.kernel.choice.parts import LIBRARY, parts_of
from harness.kernel.source.tree import FRAMEWORK


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return make_own(tmp_path)


@pytest.fixture
def bare(tmp_path: Path) -> Own:
    """A tree without the library."""
    return make_own(tmp_path, library=False)


def snapshot(tree: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(tree)): (path.lstat().st_mtime_ns, path.read_bytes())
        for path in tree.rglob("*")
        if path.is_file()
    }


def test_a_tree_is_built_as_it_is_with_the_witness(own: Own) -> None:
    before = snapshot(own.tree)
    image = own.build()
    assert snapshot(own.tree) == before, "the tree is never written to"
    assert image.symbol("umd_witness") >= 0
    assert "library" not in image.symbols, "our series is not on it"
    assert sorted(path.name for path in image.handlers.iterdir()) == [
        "umd_witness_backdoor_umh",
        "umd_witness_umh",
    ]
    assert 'source "kernel/umd_witness/Kconfig"' in (own.built() / "init/Kconfig").read_text()
    assert (own.built() / "kernel/Makefile").read_text().startswith("# of kernel\n")


def test_only_options_that_the_tree_has_are_asked_for(own: Own) -> None:
    config = own.build().config.read_text()
    assert "CONFIG_BASE=y" in config
    assert "CONFIG_WITNESS=y" in config, "of the witness's own Kconfig"
    assert "TINIER" not in config
    assert "NOT_WANTED" not in config


def test_the_same_content_is_the_same_image(own: Own) -> None:
    image = own.build()
    for path in own.tree.rglob("*.c"):
        os.utime(path)
    assert own.build() == image
    assert own.said == []


def test_a_changed_file_is_another_image_and_compiles_one_file(own: Own) -> None:
    own.commit()
    first = own.build()
    (own.tree / "lib/string.c").write_text("int string(void) { return 2; }\n")
    second = own.build()
    assert second.key != first.key
    assert own.compiled <= {"lib/string.o"}
    assert "source: 1 files" in "\n".join(own.said)
    (own.tree / "lib/string.c").write_text(OWN_FILES["lib/string.c"])
    assert own.build() == first


def test_new_and_removed_files_count(own: Own) -> None:
    own.commit()
    own.build()
    write_files(own.tree, {"lib/new.c": "int fresh;\n", ".gitignore": "*.junk\n", "x.junk": "x"})
    (own.tree / "lib/string.c").unlink()
    own.build()
    assert (own.built() / "lib/new.c").is_file()
    assert not (own.built() / "lib/string.c").exists()
    assert not (own.built() / "x.junk").exists()


def test_patches_go_on_the_tree(own: Own, tmp_path: Path) -> None:
    write_files(tmp_path / "mine", {"2-string.patch": CHANGE_STRING, "1-hook.patch": PATCH})
    first = own.build()
    image = own.build(patches=tmp_path / "mine")
    assert image.key != first.key
    assert "fork_hook" in image.symbols
    assert "return 1" in (own.built() / "lib/string.c").read_text()
    assert own.build() == first
    own.mini.cache.joinpath("images", first.key, "bzImage").unlink()
    own.build()
    assert "return 0" in (own.built() / "lib/string.c").read_text(), "taken back"


def test_a_patched_file_that_changes_in_the_tree(own: Own, tmp_path: Path) -> None:
    (tmp_path / "hook.patch").write_text(PATCH)
    own.build(patches=tmp_path / "hook.patch")
    fork = own.tree / "kernel/fork.c"
    fork.write_text(fork.read_text() + "int more;\n")
    own.build(patches=tmp_path / "hook.patch")
    text = (own.built() / "kernel/fork.c").read_text()
    assert "int more;" in text
    assert "fork_hook" in text


def test_a_patch_may_remove_and_rename_files(own: Own, tmp_path: Path) -> None:
    (tmp_path / "moves.patch").write_text(
        "diff --git a/kernel/fork.c b/kernel/spoon.c\nsimilarity index 100%\n"
        "rename from kernel/fork.c\nrename to kernel/spoon.c\n"
        "diff --git a/lib/string.c b/lib/string.c\ndeleted file mode 100644\n"
        "--- a/lib/string.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-int string(void) { return 0; }\n"
    )
    own.build(patches=tmp_path / "moves.patch")
    there = {path.name for path in own.built().rglob("*.c")}
    assert "spoon.c" in there
    assert not there & {"fork.c", "string.c"}
    own.build()
    there = {path.name for path in own.built().rglob("*.c")}
    assert "spoon.c" not in there
    assert there >= {"fork.c", "string.c"}


def test_our_series_goes_on_a_tree_without_a_library(bare: Own) -> None:
    image = bare.build(with_library=True)
    assert {"library", "fork_hook"} <= image.symbols.keys()
    assert (image.handlers / "handler").is_file(), "what our series lists"


def test_a_tree_without_a_library_is_told_which_patches_add_it(bare: Own) -> None:
    with pytest.raises(
        UserError,
        match=r"Linux 6\.6\.1-own\) has no management library.*"
        r"--with-library \(of 6\.12: 0001-hook\.patch and “kernel: Add the library”\)",
    ):
        bare.build()


def test_a_library_of_theirs_by_a_patch(bare: Own, tmp_path: Path) -> None:
    (tmp_path / "library.patch").write_text(ADD_LIBRARY)
    assert "umd_witness" in bare.build(patches=tmp_path / "library.patch").symbols


def test_patches_on_the_source_of_the_line(own: Own, tmp_path: Path) -> None:
    (tmp_path / "hook.patch").write_text(PATCH)
    with pytest.raises(UserError, match=r"the source of 6\.12 has no .*hook\.patch adds none"):
        own.build(tree=None, patches=tmp_path / "hook.patch")
    parts = parts_of(
        own.choice(tree=None, patches=tmp_path / "hook.patch", with_library=True),
        patches=own.mini.patches,
        cache=own.mini.cache,
        sources=own.mini.sources,
    )
    assert [commit.subject for commit in parts.series.commits] == [
        "kernel: Clean up",
        "kernel: Add the library",
        "",
        "kernel: Add the witness",
    ]


def test_patches_on_a_line_compile_in_its_tree_only_what_they_change(
    bare: Own, tmp_path: Path
) -> None:
    # As in the real kernel, an object is not made anew for every change of the configuration.
    files = {**OWN_FILES, "Makefile": OWN_FILES["Makefile"].replace("%.c $(O)/.config", "%.c")}
    pack(bare.mini.sources, files)
    line = BuildRequest(LINE)
    first = kernel_image(line, progress=bare.said.append, workspace=bare.mini.workspace)
    (tmp_path / "string.patch").write_text(CHANGE_STRING)
    mine = {"tree": None, "patches": tmp_path / "string.patch", "with_library": True}
    image = bare.build(**mine)
    assert (image.key != first.key, bare.compiled) == (True, {"lib/string.o"})
    kept_tree(line, progress=bare.said.append, workspace=bare.mini.workspace)
    bare.said.clear()
    assert bare.build(**mine) == image
    assert bare.said == []


def test_options_of_ones_own_leave_the_objects_of_the_line_alone(own: Own, tmp_path: Path) -> None:
    (tmp_path / "mine.config").write_text("CONFIG_MINE=y\n")
    mine = own.choice(tree=None, fragments=(tmp_path / "mine.config",))
    assert (own.choice(tree=None).folder, mine.folder) == (LINE, f"{LINE}-own")


def test_a_library_twice_is_refused(own: Own) -> None:
    with pytest.raises(UserError, match=r"has a management library already.*leave out --with-lib"):
        own.build(with_library=True)


def test_a_witness_that_a_patch_brings_is_not_added_again(own: Own, tmp_path: Path) -> None:
    (tmp_path / "witness.patch").write_text(
        "--- /dev/null\n+++ b/kernel/umd_witness/core.c\n@@ -0,0 +1 @@\n"
        "+int umd_witness_of_theirs;\n"
    )
    own.build(patches=tmp_path / "witness.patch")
    assert "of_theirs" in (own.built() / "kernel/umd_witness/core.c").read_text()
    assert (own.built() / "init/Kconfig").read_text() == OWN_FILES["init/Kconfig"]


def test_our_series_on_a_tree_that_it_does_not_fit(bare: Own) -> None:
    fork = bare.tree / "kernel/fork.c"
    fork.write_text(fork.read_text().replace("int fork_step_5", "int other;\nint fork_step_5"))
    with pytest.raises(UserError) as caught:
        bare.build(with_library=True)
    assert caught.value.message == (
        "0001-hook.patch of our series for 6.12 conflicts with the source of linux: "
        "hunk 1 of kernel/fork.c has `int fork_hook(void) { return 1; }` where the other has "
        "`int other;`"
    )


def test_the_second_of_their_patches_does_not_apply(own: Own, tmp_path: Path) -> None:
    write_files(
        tmp_path / "mine",
        {"series": "# mine\nhook.patch\nstring.diff -p1\n"}
        | {"hook.patch": PATCH, "string.diff": CHANGE_STRING.replace("-int string", "-int strong")},
    )
    with pytest.raises(
        UserError, match=r"string\.diff does not apply .*hunk 1 of lib/string\.c, at"
    ):
        own.build(patches=tmp_path / "mine")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"Makefile": None}, "is not a kernel tree: it has no Makefile"),
        ({"arch/x86/Kconfig": None, "arch/arm64/Kconfig": ""}, "no arch/x86, only arm64"),
        ({FRAMEWORK: None}, r"6\.6\.1-own\) has no user mode driver framework.*from 5\.9 to 6\.16"),
        ({LIBRARY: None}, "has no management library"),
        ({"lib/string.c": "int string(void) { return x; }\n"}, r"make .*: .*string\.c:1:.*error: "),
    ],
)
def test_trees_that_cannot_be_built(own: Own, change: dict[str, str | None], match: str) -> None:
    for name, text in change.items():
        if text is None:
            (own.tree / name).unlink()
            if not any((own.tree / name).parent.iterdir()):
                (own.tree / name).parent.rmdir()
        else:
            write_files(own.tree, {name: text})
    with pytest.raises(UserError, match=match):
        own.build()
    assert not list(own.mini.cache.glob("images/*/bzImage"))


def test_a_build_that_failed_goes_on_when_the_tree_is_mended(own: Own) -> None:
    (own.tree / "lib/string.c").write_text("int string(void) { return x; }\n")
    with pytest.raises(UserError, match=r"see .*/build\.log"):
        own.build()
    done = {path.name for path in own.built().with_name("objects").rglob("*.o")}
    (own.tree / "lib/string.c").write_text(OWN_FILES["lib/string.c"])
    own.build()
    assert not own.compiled & {f"kernel/{name}" for name in done}
    assert "lib/string.o" in own.compiled


def test_a_copy_that_was_interrupted_goes_on(own: Own) -> None:
    own.build()
    note = own.built().with_name("copied.json")
    (own.tree / "lib/string.c").write_text("int string(void) { return 3; }\n")
    own.mini.cache.joinpath("trees").rename(own.mini.cache / "forgotten")
    (own.built() / "lib/string.c").unlink()  # what a kill leaves of a file in the middle
    own.build()
    assert "return 3" in (own.built() / "lib/string.c").read_text()
    assert note.is_file()


def test_an_option_of_theirs_must_survive(own: Own, tmp_path: Path) -> None:
    (tmp_path / "mine.config").write_text("CONFIG_VANISHES=y\n")
    with pytest.raises(UserError, match=r"CONFIG_VANISHES=y \(it needs"):
        own.build(fragments=(tmp_path / "mine.config",))
    (tmp_path / "mine.config").write_text("CONFIG_MINE=y\n")
    assert "CONFIG_MINE=y" in own.build(fragments=(tmp_path / "mine.config",)).config.read_text()


def test_paths_may_be_relative(own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mail = "From: Ada <ada@example.org>\nSubject: [PATCH] lib: Say one\n\nWhy.\n---\n"
    write_files(tmp_path, {"p/mine.mbox": mail + CHANGE_STRING, "mine.config": "CONFIG_MINE=y\n"})
    monkeypatch.chdir(tmp_path)
    image = own.build(
        tree=Path("linux"), patches=Path("p/mine.mbox"), fragments=(Path("mine.config"),)
    )
    assert "CONFIG_MINE=y" in image.config.read_text()
    assert "return 1" in (own.built() / "lib/string.c").read_text()


def test_what_the_tree_lacks_is_said(own: Own) -> None:
    own.build()
    assert "configuration: this source has no NOT_WANTED, TINIER" in own.said


def test_options_on_a_line_alone(own: Own, tmp_path: Path) -> None:
    (tmp_path / "mine.config").write_text("CONFIG_MINE=y\n")
    parts = parts_of(
        own.choice(tree=None, fragments=(tmp_path / "mine.config",)),
        patches=own.mini.patches,
        cache=own.mini.cache,
        sources=own.mini.sources,
    )
    assert parts.optional == ()
    assert [path.name for path in parts.fragments] == [
        "base.config",
        "witness.config",
        "mine.config",
    ]
    assert parts.choice.name == "6.12+config"


def test_what_a_header_says(own: Own, tmp_path: Path) -> None:
    own.commit()
    (own.tree / "lib/string.c").write_text("int string(void) { return 9; }\n")
    (tmp_path / "hook.patch").write_text(PATCH)
    (tmp_path / "mine.config").write_text("CONFIG_MINE=y\n")
    choice = own.choice(patches=tmp_path / "hook.patch", fragments=(tmp_path / "mine.config",))
    facts = parts_of(choice, patches=own.mini.patches, cache=own.mini.cache).facts()
    assert facts["tree"]["path"] == str(own.tree)
    assert facts["tree"]["describe"].endswith("-dirty")
    assert [patch["name"] for patch in facts["patches"]] == ["hook.patch"]
    assert len(facts["patches"][0]["sha256"]) == 64
    assert [one["name"] for one in facts["config"]] == ["mine.config"]
    assert choice.name == "linux+hook.patch"
    assert choice.words() == [
        *("--tree", str(own.tree), "--patches", str(tmp_path / "hook.patch")),
        *("--config", str(tmp_path / "mine.config")),
    ]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"tree": None, "bzimage": "b"}, "--kernel and --vmlinux go together"),
        ({"bzimage": "b", "vmlinux": "v"}, "already built: nothing can be added"),
        ({"tree": None, "with_library": True}, "--with-library puts our series on a tree"),
        ({"tree": "nowhere"}, "there is no folder"),
        ({"fragments": ("nowhere.config",)}, "there is no file"),
    ],
)
def test_choices_that_make_no_sense(
    own: Own, tmp_path: Path, options: dict[str, object], match: str
) -> None:
    paths = {
        name: tmp_path / value
        if isinstance(value, str)
        else tuple(tmp_path / one for one in value)
        if isinstance(value, tuple)
        else value
        for name, value in options.items()
    }
    with pytest.raises(UserError, match=match):
        own.choice(**paths).check()


SUPPORT = Path(__file__).parents[2] / "support"
PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from miniature_kernel import Miniature
from own_tree import Own
root = Path(sys.argv[2])
mini = Miniature(root / "mini/src", root / "mini/kernel-patches", root / "mini/cache")
Own(root / "linux", mini).build()
"""


def test_a_build_that_was_killed_goes_on(own: Own, tmp_path: Path) -> None:
    marker = tmp_path / "linking"
    slow = f"bzImage: $(OBJECTS)\n\t@touch {marker}; exec sleep 300\n"
    makefile = (own.tree / "Makefile").read_text()
    (own.tree / "Makefile").write_text(makefile.replace("bzImage: $(OBJECTS)\n", slow))
    command = [sys.executable, "-c", PROGRAM, str(SUPPORT), str(tmp_path)]
    with subprocess.Popen(command) as harness:
        try:
            deadline = time.monotonic() + 60
            while not marker.exists():
                assert time.monotonic() < deadline
                assert harness.poll() is None
                time.sleep(0.05)
        finally:
            harness.kill()
    objects = own.built().with_name("objects")
    done = {path: path.stat().st_mtime_ns for path in objects.rglob("*.o")}
    assert len(done) >= 3
    (own.tree / "Makefile").write_text(makefile)
    assert own.build().bzimage.is_file()
    assert {path: path.stat().st_mtime_ns for path in done} == done
