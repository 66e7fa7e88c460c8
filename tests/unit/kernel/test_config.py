# SPDX-License-Identifier: GPL-2.0-only
"""The configuration, by the real Kconfig of the real source: an option that vanished is named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from harness.host.errors import UserError
from harness.host.paths import cache_dir
from harness.kernel.build.config import configure, parse_config
from harness.kernel.build.make import make
from harness.kernel.build.unmet import explain
from harness.kernel.source.build_tree import BuildTree
from harness.kernel.source.tarball import checks_tree, find_source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FRAGMENT = """\
# a comment
CONFIG_64BIT=y
CONFIG_PRINTK=y
CONFIG_VT=n
CONFIG_PANIC_TIMEOUT=-1
# CONFIG_SWAP is not set
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> BuildTree:
    """The real Kconfig files, with objects of our own: conf is compiled once a module."""
    root = tmp_path_factory.mktemp("kconfig")
    source = checks_tree(find_source("6.12", cache=cache_dir()), cache=cache_dir())
    (root / "source").symlink_to(source)
    return BuildTree(root)


def configured(tree: BuildTree, *texts: str) -> bool:
    fragments = []
    for number, text in enumerate(texts):
        fragments.append(tree.root / f"fragment{number}.config")
        fragments[-1].write_text(text)
    return configure(tree, fragments)


def test_options_are_merged_and_the_later_fragment_wins(
    tree: BuildTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time from nothing as well.

    The tinyconfig of 6.1 would start from a configuration that is there, and keep options that no
    fragment names any more.
    """
    assert configured(tree, FRAGMENT, "CONFIG_PRINTK=n\n") is True
    values = parse_config((tree.objects / ".config").read_text(), where=".config")
    assert values["64BIT"] == "y"
    assert values["PANIC_TIMEOUT"] == "-1"
    assert values["PRINTK"] == "n"
    before = (tree.objects / ".config").stat().st_mtime_ns
    found = []

    def look_and_make(tree: BuildTree, targets: Sequence[str], **others: Any) -> None:
        found.append((tree.objects / ".config").exists())
        make(tree, targets, **others)

    monkeypatch.setattr("harness.kernel.build.config.make", look_and_make)
    assert configured(tree, FRAGMENT, "CONFIG_PRINTK=n\n") is False
    assert found == [False, False]
    assert (tree.objects / ".config").stat().st_mtime_ns == before  # make rebuilds by its time


LOST = [
    # measured.md lists the first four as the ones that vanished silently
    ("CONFIG_MEMORY_FAILURE=y", r"MEMORY_FAILURE=y \(it needs .*CONFIG_X86_MCE"),
    ("CONFIG_INPUT=y\nCONFIG_INPUT_UINPUT=y", r"INPUT_UINPUT=y \(it needs CONFIG_INPUT_MISC\)"),
    ("CONFIG_VMGENID=y", r"VMGENID=y \(it needs CONFIG_VIRT_DRIVERS\)"),
    ("CONFIG_USERMODE_DRIVER=y", r"USERMODE_DRIVER=y \([^)]*no prompt"),
    ("CONFIG_NO_SUCH_THING=y", r"NO_SUCH_THING=y \(this source has no such option\)"),
    ("CONFIG_HZ=12", r"HZ=12 \("),
    ("CONFIG_MMU=n", r"MMU=n \(it is y by default"),
    ("CONFIG_BPF_SYSCALL=y\nCONFIG_BPF=n", r"BPF=n \(it is y, selected by [^)]*BPF_SYSCALL"),
]


def test_vanished_options_are_named_with_their_reasons(tree: BuildTree) -> None:
    with pytest.raises(UserError) as caught:
        configured(tree, FRAGMENT + "".join(f"{lines}\n" for lines, _ in LOST))
    for _, named in LOST:
        assert re.search("CONFIG_" + named, caught.value.message)
    assert caught.value.message.startswith(f"{len(LOST)} configuration option(s)")


def test_without_kconfiglib_the_depends_lines_are_quoted(tree: BuildTree, tmp_path: Path) -> None:
    (tmp_path / "Kconfig").write_text("a word that kconfiglib cannot parse\n")
    real = (tree.source / "drivers/virt/Kconfig").read_text()
    (tmp_path / "Kconfig.virt").write_text(real + "config ODD\n\tbool 'odd'\n\tdepends on EVEN\n")
    (tmp_path / ".config").write_text("")
    reasons = explain(tmp_path, tmp_path / ".config", {"ODD": "y", "NONE": "y"})
    assert reasons == {"ODD": "depends on EVEN", "NONE": "this source has no such option"}


@pytest.mark.parametrize("line", ["CONFIG_A = y", "CONFIG_A=y # why", "config_a=y", "CONFIG_A"])
def test_a_line_that_kconfig_would_ignore_is_refused(line: str) -> None:
    if line == "CONFIG_A=y # why":  # Kconfig takes the rest for the value: it cannot survive
        assert parse_config(line, where="f") == {"A": "y # why"}
        return
    with pytest.raises(UserError, match="f, line 1 is not a configuration line"):
        parse_config(line, where="f")
