# SPDX-License-Identifier: GPL-2.0-only
"""The options and the ini settings of the pytest plugin."""

from __future__ import annotations

import gzip
import shlex
from typing import TYPE_CHECKING

import pytest
from built_kernel import BUILT, bzimage, elf
from miniature_kernel import write_files
from small_corpus import NAMES, POLICIES

from harness.engines import ENGINES
from harness.kernel.series.lines import DEFAULT_LINE
from harness.pytest_plugin.settings import SETTINGS

if TYPE_CHECKING:
    from plugin_session import Session

pytest_plugins = ["pytester", "plugin_session"]

NEWER = """
name = "mine"
summary = "A policy of mine"
cmdline = "umd_isolation=off"
"""

BAD = {
    "--umd-line 6.13": "there is no kernel line 6.13; take 6.1, 6.12, 7.2",
    "--umd-variant isolatde": "there is no variant 'isolatde'; did you mean isolated?",
    "--umd-engine bochs": "there is no engine 'bochs'; take one of: microvm, virtme, image",
    "--umd-handler x508": "there is no handler 'x508'; did you mean x509?",
    "--umd-tree nowhere": "nowhere; name a kernel tree with --umd-tree",
    "--umd-tree .": "is not a kernel tree: it has no Makefile, Kconfig, init and",
    "--umd-patches p --umd-kernel k": "--umd-kernel and --umd-vmlinux go together: one is booted",
    "--umd-config text": "line 1 is not a configuration line: nonsense; write CONFIG_NAME=value",
    "--umd-shard 2": "'2' is no shard; give I/N with I up to N, such as 2/4",
    "--umd-balance one": "--umd-balance divides cells for --umd-shard; add --umd-shard, or leave",
    "--umd-shard 1/2 --umd-balance one": "there is no run one, neither here nor in ",
    "--umd-with-library": "--umd-with-library is for a tree or patches of yours; leave it out",
    "--umd-skip-docs": "--umd-skip-docs is for patches of yours; add --umd-patches, or leave it",
    "--umd-scenario nowhere.py": "nowhere.py; name a file that ends in .py",
    "--umd-variant-file text": "text: it is not TOML: ",
    "-o 'umd_tree=a b'": "umd_tree takes one path; leave out ",
    "-o umd_line=6.13": "there is no kernel line 6.13; take 6.1, 6.12, 7.2",
    "-o umd_variants=isolatde": "there is no variant 'isolatde'; did you mean isolated?",
}
"""By the arguments, a part of the error."""


def ids(*variants: str, line: str = DEFAULT_LINE) -> list[str]:
    return [f"{line}-{variant}-{name}" for variant in variants for name in NAMES]


def test_options_choose_the_cells(session: Session) -> None:
    (session.pytester.path / "mine.toml").write_text(NEWER)
    chosen = {
        "": ids(*POLICIES),
        "--umd-variant kthread --umd-variant isolated": ids("isolated", "kthread"),
        "--umd-line 6.1": ids(*POLICIES, line="6.1"),
        "--umd-line 7.2 --umd-variant isolated": ids("isolated", line="7.2"),
        "--umd-variant-file mine.toml": ids("mine"),
        "--umd-variant-file mine.toml --umd-variant baseline": ids("baseline"),
        "--umd-variant kthread -k nothing": ["6.12-kthread-nothing"],
    }
    said = session.collect(*(words.split() for words in chosen))
    assert [one.cells for one in said] == list(chosen.values())
    assert {one.status for one in said} == {pytest.ExitCode.OK}


def test_shards_divide_what_is_selected(session: Session) -> None:
    words = ["--umd-variant", "isolated", "-k", "ptrace or dev_mem"]
    one, two = session.collect([*words, "--umd-shard", "1/2"], [*words, "--umd-shard", "2/2"])
    assert [one.cells, two.cells] == [["6.12-isolated-dev_mem"], ["6.12-isolated-ptrace_seize"]]


def test_a_setting_is_the_default_of_its_option(session: Session) -> None:
    session.pytester.makeini("[pytest]\numd_line = 6.1\numd_variants = baseline isolated\n")
    plain, line, variant, other = session.collect(
        [],
        ["--umd-line", "7.2"],
        ["--umd-variant", "kthread"],
        ["-o", "umd_line=6.12"],
    )
    assert plain.cells == ids("baseline", "isolated", line="6.1")
    assert line.cells == ids("baseline", "isolated", line="7.2")
    assert variant.cells == ids("kthread", line="6.1")
    assert other.cells == ids("baseline", "isolated")


def test_a_wrong_setting_is_one_line(session: Session) -> None:
    (session.pytester.path / "text").write_text("nonsense\n")
    collected = session.collect(*map(shlex.split, BAD))
    for said, (typed, error) in zip(collected, BAD.items(), strict=True):
        assert said.status == pytest.ExitCode.USAGE_ERROR, typed
        (line,) = filter(None, said.error.splitlines())
        assert line.startswith("ERROR: umd-harness: "), typed
        assert error in line, typed


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_wrong_setting_ends_a_session_with_workers_as_well(
    session: Session, workers: str
) -> None:
    result = session.run("--umd-variant", "isolatde", "-n", workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    result.stderr.fnmatch_lines(["ERROR: umd-harness: there is no variant 'isolatde'; *"])


def test_the_machines_boot_as_the_settings_say(session: Session) -> None:
    words = ("--umd-line", "6.1", "--umd-variant", "baseline", "--umd-engine", "virtme")
    session.run("-k", "nothing", *words).assert_outcomes(passed=1, deselected=7)
    header = session.header
    assert (header["engine"], header["line"]) == ("virtme", "6.1")
    assert header["qemu"] == "none for 6.1"


def test_an_engine_has_the_variants_that_it_boots(session: Session) -> None:
    session.script(whole=True)
    virtme, smack = session.collect(
        ["--umd-engine", "virtme"], ["--umd-engine", "virtme", "--umd-variant", "smack"]
    )
    boots = ENGINES["virtme"].policies
    assert virtme.cells
    assert not [cell for cell in virtme.cells if "-smack-" in cell and "smack" not in boots]
    assert "--umd-engine virtme does not load the policy of smack; take" in smack.error


def test_the_users_own_kernel(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = session.pytester.path
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    write_files(folder, BUILT | {".config": "CONFIG_USERMODE_DRIVER=y\n"})
    bzimage(folder / "bzImage", elf(folder / "vmlinux"), gzip.compress)
    kernel = ("--umd-kernel", "bzImage", "--umd-vmlinux", "vmlinux")
    session.script("{('kthread', 'nothing'): outcome(Verdict.ERROR, 'gone')}")

    result = session.run(*kernel, "-k", "nothing", "-rs")
    result.assert_outcomes(passed=1, failed=1, skipped=2, deselected=25)
    words = ["--kernel", str(folder / "bzImage"), "--vmlinux", str(folder / "vmlinux")]
    result.stdout.fnmatch_lines(
        [
            "bzImage-kthread-nothing: error: gone",
            f"umd-harness run {' '.join(words)} --variant kthread -k nothing",
            "SKIPPED * bzImage does not support isolated: this kernel has no isolation of ours *",
        ]
    )
    assert {line["line"] for line in session.lines()} == {"bzImage"}
    header = session.header
    assert (header["choice"], header["line"]) == (words, "bzImage")
    assert header["opened_for"] == ["baseline", "kthread"]

    refused = session.run(*kernel, "--umd-variant", "isolated")
    assert refused.ret == pytest.ExitCode.INTERRUPTED
    refused.stdout.fnmatch_lines(["*umd-harness: isolated: this kernel has no isolation of ours*"])
    none = session.run(*kernel, "-k", "isolated-nothing]")
    assert none.ret == pytest.ExitCode.INTERRUPTED
    none.stdout.fnmatch_lines(["*umd-harness: bzImage supports no variant of the chosen cells; *"])


def test_the_default_line_is_as_the_help_says() -> None:
    assert SETTINGS["umd_line"].help.endswith(f"(default: {DEFAULT_LINE})")
