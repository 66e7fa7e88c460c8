# SPDX-License-Identifier: GPL-2.0-only
"""The selftest that goes with the series (tools/testing/selftests/umd), run in a guest.

By itself it needs no harness: a tree with the series builds it, a kernel with the sample runs it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from os import O_CREAT, O_WRONLY, WNOHANG, waitstatus_to_exitcode
from typing import TYPE_CHECKING

import pytest

from harness.host.commands import clean_environment
from harness.host.paths import KERNEL_PATCHES, cache_dir
from harness.kernel.source.tarball import find_source, partial_tree

if TYPE_CHECKING:
    from pathlib import Path

    from harness.attacker import Attacker

HERE = "tools/testing/selftests"
SOURCE = KERNEL_PATCHES / "overlay" / HERE / "umd" / "umd_test.c"
PROGRAM, OUTPUT = "/tmp/umd_test", "/tmp/output"  # noqa: S108 - the guest's, not ours
SECONDS = 200.0
"""Where nothing is refused, the library gives a frozen driver up after 10 seconds."""

PASS, FAIL = 0, 1


def all_tests() -> set[str]:
    return set(re.findall(r"^TEST_F_TIMEOUT\(driver, (\w+),", SOURCE.read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The selftest, built by its own Makefile; static, because the guest has no libraries."""
    source = find_source("6.12", cache=cache_dir())
    members = (f"{HERE}/lib.mk", f"{HERE}/kselftest*.h", "tools/scripts/*")
    top = tmp_path_factory.mktemp("kernel") / "tree"
    shutil.copytree(partial_tree(source, members, cache=cache_dir()), top)
    folder = top / HERE / SOURCE.parent.name
    shutil.copytree(SOURCE.parent, folder)
    done = subprocess.run(
        ["make", "-C", str(folder), "LDFLAGS=-static"],
        env={**clean_environment(), "CFLAGS": "-Werror"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "umd_test"


def run(attacker: Attacker, program: Path) -> tuple[int, str]:
    """Run it as root in the guest: its exit status, and what it printed."""
    attacker.write_file(PROGRAM, program.read_bytes(), mode=0o755)
    with attacker.open(OUTPUT, O_CREAT | O_WRONLY, 0o600) as output:
        pid = attacker.spawn(PROGRAM, stdout=output.fd, stderr=output.fd)
    deadline = time.monotonic() + SECONDS
    while not (ended := attacker.waitpid(pid, WNOHANG))[0]:
        assert time.monotonic() < deadline, attacker.read_file(OUTPUT).decode()
        time.sleep(0.1)
    return waitstatus_to_exitcode(ended[1]), attacker.read_file(OUTPUT).decode()


def results(output: str) -> dict[str, str]:
    """What KTAP says of each test: `ok`, `not ok`, or why it was skipped."""
    lines = re.findall(r"^(ok|not ok) \d+ driver\.(\w+)(?: # SKIP (.*))?$", output, re.MULTILINE)
    return {name: skipped or verdict for verdict, name, skipped in lines}


@pytest.mark.parametrize("variant", ["isolated"])
def test_what_is_isolated_refuses(attacker: Attacker, program: Path) -> None:
    status, output = run(attacker, program)
    assert results(output) == dict.fromkeys(all_tests(), "ok"), output
    assert status == PASS


@pytest.mark.parametrize("variant", ["baseline"])
def test_every_one_of_them_can_fail(attacker: Attacker, program: Path) -> None:
    status, output = run(attacker, program)
    assert results(output) == dict.fromkeys(all_tests(), "not ok"), output
    assert status == FAIL


def test_without_the_sample_it_is_skipped(attacker: Attacker, program: Path) -> None:
    attacker.unlink("/lib/modules/sample_mgr.ko")
    status, output = run(attacker, program)
    why = "the module sample_mgr cannot be loaded: CONFIG_SAMPLE_UMD"
    assert results(output) == dict.fromkeys(all_tests(), why), output
    assert status == PASS  # as kselftest_harness.h has it; the runner reads the lines
