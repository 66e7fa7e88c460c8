# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of the user's own on the command line: what is run on it, and what is refused."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from built_kernel import BUILT, bzimage, elf
from command_line import latest, umd_harness
from miniature_kernel import write_files
from own_tree import make_own

if TYPE_CHECKING:
    from pathlib import Path

PARAMETER = "ffffffff83000000 t umd_isolation_setup\n"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options for a built kernel with a library and no isolation."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    built = tmp_path / "built"
    write_files(built, BUILT | {".config": "CONFIG_USERMODE_DRIVER=y\n"})
    bzimage(built / "bzImage", elf(built / "vmlinux"), gzip.compress)
    return ["--kernel", str(built / "bzImage"), "--vmlinux", str(built / "vmlinux")]


def test_a_run_takes_the_variants_that_the_kernel_can_be(kernel: list[str], tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "run", "-k", "proc_mem_write", *kernel)
    assert done.returncode == 0, done.stderr
    out = done.stdout.splitlines()
    assert out[0] == f"bzImage: {kernel[1]}, as it is"
    assert out[1].startswith("kernel: taking ")
    assert out[2] == (
        "bzImage: without isolated, isolated-debug: "
        "this kernel has no isolation of ours (CONFIG_SECURITY_UMD)"
    )
    assert out[3].startswith("2 cells (1 scenario on 2 variants of bzImage)")
    header, lines = latest(tmp_path)
    assert {line["variant"] for line in lines} == {"baseline", "kthread"}
    assert {line["line"] for line in lines} == {"bzImage"}
    assert header["choice"] == kernel


def test_what_failed_is_run_again_on_the_same_kernel(kernel: list[str], tmp_path: Path) -> None:
    script = '{("baseline", "proc_mem_write"): outcome(Verdict.HELD)}'
    done = umd_harness(tmp_path, "run", "-k", "proc_mem_write", *kernel, script=script)
    assert done.returncode == 2
    again = f"umd-harness run {' '.join(kernel)} --variant baseline -k proc_mem_write"
    assert again in done.stdout


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["run", "--variant", "isolated"], "isolated: this kernel has no isolation of ours"),
        (["defences"], "isolated: this kernel has no isolation of ours"),
        (["bench", "--round-trip"], "it can be baseline, kthread"),
        (["repeat", "--variant", "nonsense"], "there is no variant 'nonsense'"),
    ],
)
def test_a_variant_that_it_cannot_be(
    kernel: list[str], tmp_path: Path, command: list[str], why: str
) -> None:
    done = umd_harness(tmp_path, *command, *kernel)
    assert done.returncode == 2
    assert done.stderr.startswith("umd-harness: ")
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["run", "repeat"])
def test_an_expression_that_matches_nothing_is_refused_before_the_build(
    kernel: list[str], tmp_path: Path, command: str
) -> None:
    done = umd_harness(tmp_path, command, "-k", "nothnig", *kernel)
    assert done.returncode == 2
    assert "no cell matches -k 'nothnig'; did you mean nothing?" in done.stderr
    assert done.stdout == ""


def test_cells_of_variants_that_it_cannot_be_alone(kernel: list[str], tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "run", "-k", "isolated and nothing", *kernel)
    assert done.returncode == 2
    assert "supports no variant of the chosen cells; choose cells on baseline, kth" in done.stderr
    assert not (tmp_path / "results").exists()


def test_an_engine_that_does_not_load_a_policy_of_the_kernel(
    kernel: list[str], tmp_path: Path
) -> None:
    config = tmp_path / "built/.config"
    config.write_text(config.read_text() + "CONFIG_SECURITY_SELINUX=y\n")
    words = ("run", "--engine", "virtme", "-k", "nothing", *kernel)
    done = umd_harness(tmp_path, *words, whole=True)
    assert done.returncode == 0, done.stderr
    assert {line["variant"] for line in latest(tmp_path)[1]} == {"baseline", "kthread"}


def test_the_engine_of_a_shell_is_checked_before_the_kernel_is_built(
    kernel: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ("shell", "--variant", "baseline", "--engine", "image", *kernel, "--", "true")
    done = umd_harness(tmp_path, *words)
    assert done.returncode == 2
    assert "is not installed; apt-get install " in done.stderr
    assert done.stderr.count("\n") == 1


def test_all_variants_where_the_parameter_is(kernel: list[str], tmp_path: Path) -> None:
    built = tmp_path / "built"
    write_files(
        built, {".config": "CONFIG_SECURITY_UMD=y\n# CONFIG_SECURITY_UMD_DEBUG is not set\n"}
    )
    (built / "System.map").write_text(BUILT["System.map"] + PARAMETER)
    done = umd_harness(tmp_path, "build", *kernel)
    assert done.returncode == 0, done.stderr
    assert "isolated-debug: a kernel that is already built has one configuration" in done.stdout
    assert done.stdout.count("without") == 1


def test_a_kernel_that_always_isolates(kernel: list[str], tmp_path: Path) -> None:
    (tmp_path / "built/.config").write_text("CONFIG_SECURITY_UMD=y\n")
    done = umd_harness(tmp_path, "repeat", "-n", "1", "--variant", "baseline", *kernel)
    assert done.returncode == 2
    assert "baseline: this kernel always isolates: it has no parameter" in done.stderr


def test_a_tree_without_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = make_own(tmp_path, library=False).tree
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for command in ("build", "run", "bench", "repeat", "defences"):
        done = umd_harness(tmp_path, command, "--tree", str(tree))
        assert done.returncode == 2
        assert "add ours with --with-library (of 6.12: 0001-cleanup.patch and" in done.stderr
        assert done.stderr.count("\n") == 1


def test_our_series_on_a_tree_of_another_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = make_own(tmp_path, library=False).tree
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    done = umd_harness(tmp_path, "build", "--tree", str(tree), "--with-library")
    assert done.returncode == 2
    assert (
        "0001-cleanup.patch of our series for 6.12 conflicts with the source of linux: hunk 1 of "
        in done.stderr
    )


def test_a_library_for_nothing(tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "run", "--with-library")
    assert done.returncode == 2
    assert "leave it out: 6.12 has the library" in done.stderr
