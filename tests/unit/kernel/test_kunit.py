# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own kunit.py runs a kernel in miniature, which is a script that prints KTAP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from miniature_kernel import FILES, LINE, Miniature, pack, write_files
from small_series import make_small_series

from harness.host.errors import DoesNotBuild, UserError
from harness.host.paths import cache_dir
from harness.kernel.proofs.kunit import PASS, check, outcomes, run_tests
from harness.kernel.source.tarball import checks_tree, find_source

if TYPE_CHECKING:
    from pathlib import Path

MAKEFILE = """\
olddefconfig:
\t@sed -i /VANISHES/d $(O)/.config
all: compile_commands.json
\t@$(CC) -c -o $(O)/confine.o kernel/confine.c
\t@printf '#!/bin/sh\\necho "Linux $$*"\\ncat %s/kernel/ktap\\n' $(CURDIR) > $(O)/linux
\t@chmod +x $(O)/linux
compile_commands.json:
"""

PASSED = """\
KTAP version 1
1..1
    KTAP version 1
    # Subtest: umd_mgmt_pipes
    1..2
        KTAP version 1
        # Subtest: lengths
        ok 1 0 bytes
        ok 2 1 bytes
    ok 1 lengths
    ok 2 bound
ok 1 umd_mgmt_pipes
"""


@pytest.fixture
def mini(tmp_path: Path) -> Miniature:
    """A small series, and a configuration for kunit.py."""
    made = make_small_series(tmp_path)
    write_files(made.patches, {"config/kunit.config": "CONFIG_KUNIT=y\n"})
    return made


def passed(mini: Miniature, ktap: str) -> list[str]:
    """Run the tests of a kernel that says this."""
    real = checks_tree(find_source(LINE, cache=cache_dir()), cache=cache_dir())
    folder = real / "tools/testing/kunit"
    tool = {
        f"tools/testing/kunit/{path.relative_to(folder)}": path.read_text()
        for pattern in ("*.py", "configs/*")
        for path in folder.glob(pattern)
    }
    pack(mini.sources, {**FILES, **tool, "kernel/ktap": ktap, "Makefile": MAKEFILE})
    return run_tests(LINE, progress=lambda _: None, workspace=mini.workspace)


def test_the_names_of_those_that_passed(mini: Miniature) -> None:
    assert passed(mini, PASSED) == [
        "umd_mgmt_pipes/bound",
        "umd_mgmt_pipes/lengths/0 bytes",
        "umd_mgmt_pipes/lengths/1 bytes",
    ]
    tree = mini.cache / "build" / f"{LINE}-kunit"
    assert "kunit.filter_glob=umd_mgmt_*" in (tree / "objects/test.log").read_text()
    assert not [*tree.glob("source/**/__pycache__")]


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("        ok 2 1", "        not ok 2 1", r"1 of 3 tests: \S+/lengths/1 bytes: FAIL; see "),
        ("    ok 2 bound", "    ok 2 bound # SKIP no", r"1 of 3 tests: \S+/bound: SKIP; see "),
        ("    ok 2 bound\nok 1 umd_mgmt_pipes\n", "Kernel panic\n", r"1 of 3 tests: \S+/: ERROR; "),
        ("\n1..1", "\n1..2", r"1 of 4 tests: : ERROR; see "),
        (PASSED, "KTAP version 1\n1..0\n", r"no test ran; see \S+/build\.log"),
        (PASSED, "Kernel panic\n", r"no test ran; see \S+/build\.log"),
    ],
    ids=["failed", "skipped", "ended early", "a suite is missing", "empty", "died"],
)
def test_all_must_pass(mini: Miniature, was: str, now: str, said: str) -> None:
    assert was in PASSED
    with pytest.raises(UserError, match=said):
        passed(mini, PASSED.replace(was, now))


def test_kunit_py_has_to_agree(tmp_path: Path) -> None:
    check({"bound": PASS}, status=0, log=tmp_path)
    with pytest.raises(UserError, match=r"kunit\.py failed after 1 tests passed"):
        check({"bound": PASS}, status=1, log=tmp_path)


def test_an_option_that_vanishes(mini: Miniature) -> None:
    (mini.patches / "config/kunit.config").write_text("CONFIG_KUNIT=y\nCONFIG_VANISHES=y\n")
    with pytest.raises(UserError, match=r"kunit\.py failed: .*Not all Kconfig options selected"):
        passed(mini, PASSED)


def test_no_result_of_an_earlier_run_counts(mini: Miniature) -> None:
    passed(mini, PASSED)
    (mini.patches / "overlay/kernel/confine.c").write_text("#error no\n")
    with pytest.raises(DoesNotBuild, match=r"kunit\.py failed: .*confine\.c:1:2: error: #error no"):
        passed(mini, PASSED)


def test_a_report_of_another_format() -> None:
    with pytest.raises(UserError, match=r"cannot be read: .*missing required field `name`"):
        outcomes(b"{}")
