# SPDX-License-Identifier: GPL-2.0-only
"""The KUnit tests of the series, run by the kernel's own kunit.py on User Mode Linux.

`python -m harness.kernel.proofs.kunit [LINE]` puts the series into a tree of its own, and has
kunit.py configure, build and run it. The witness is for x86 alone, and is not in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from harness.host.commands import check_disk, clean_environment, process_group
from harness.host.errors import DoesNotBuild, UserError
from harness.host.paths import cache_dir
from harness.kernel.build.make import Said
from harness.kernel.build.plan import Workspace
from harness.kernel.proofs.proof_tree import proof_tree
from harness.kernel.series.series_file import load_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from harness.kernel.source.build_tree import BuildTree

SUITES = "umd_mgmt_*"
"""The suites of the series. A configuration may have others on, such as KUnit's own."""

PASS = "PASS"  # noqa: S105 - kunit.py's word for a test that passed

_TOOL = "tools/testing/kunit/kunit.py"
_CONFIG = "config/kunit.config"
_BUILD_SECONDS = 3600.0  # from nothing, 35 minutes as one job on two cores that others used
_BOOT_SECONDS = 300  # of the tests themselves, which take less than a second


class _Case(msgspec.Struct):
    name: str
    status: str


class _Group(msgspec.Struct):
    """A part of kunit.py's report, which is in the format of KernelCI."""

    name: str
    sub_groups: list[_Group]
    test_cases: list[_Case]


def outcomes(report: bytes) -> dict[str, str]:
    """Return each test's status by its name, suite first. Raises UserError for another format."""
    try:
        return dict(_outcomes(msgspec.json.decode(report, type=_Group), ()))
    except msgspec.DecodeError as error:
        raise UserError(
            f"kunit.py wrote a report that cannot be read: {error}",
            hint="compare the report with the kernel's tools/testing/kunit/kunit_json.py",
        ) from error


def _outcomes(group: _Group, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for case in group.test_cases:
        yield "/".join((*above, case.name)), case.status
    for inner in group.sub_groups:
        yield from _outcomes(inner, (*above, inner.name))


def check(found: Mapping[str, str], *, status: int, log: Path) -> None:
    """Raise UserError unless tests ran, each passed, and kunit.py agrees by its exit status."""
    hint = f"see {log}"
    if failed := [f"{name}: {said}" for name, said in found.items() if said != PASS]:
        raise UserError(f"{len(failed)} of {len(found)} tests: {'; '.join(failed)}", hint=hint)
    if not found:
        raise UserError("no test ran", hint=hint)
    if status != 0:
        raise UserError(f"kunit.py failed after {len(found)} tests passed", hint=hint)


def run_tests(
    line: str, *, progress: Callable[[str], None], workspace: Workspace | None = None
) -> list[str]:
    """Run the tests and return the names of those that passed, which are all.

    Raises DoesNotBuild if there is no kernel to run, and otherwise UserError.
    """
    workspace = workspace or Workspace(cache_dir())
    series = load_series(line, patches=workspace.patches).without_witness()
    with proof_tree(series, f"{line}-kunit", workspace, progress=progress) as tree:
        progress("kunit: configuring, building and running User Mode Linux")
        report = tree.root / "kunit.json"
        report.unlink(missing_ok=True)
        status = _run(tree, workspace.patches / _CONFIG, report)
        if not report.is_file():
            said = Said()
            for text in tree.log.read_text().splitlines():
                said.take(text)
            raise DoesNotBuild(f"kunit.py failed: {said.cause()}", hint=f"see {tree.log}")
        found = outcomes(report.read_bytes())
        check(found, status=status, log=tree.log)
    return list(found)


def _run(tree: BuildTree, config: Path, report: Path) -> int:
    """Run kunit.py, with its output in `tree.log`, and return its exit status."""
    compiler = "ccache gcc" if shutil.which("ccache") else "gcc"
    tree.objects.mkdir(exist_ok=True)
    argv = [sys.executable, str(tree.source / _TOOL), "run", f"--build_dir={tree.objects}"]
    argv += [f"--kunitconfig={config}", f"--jobs={(os.cpu_count() or 1) + 1}"]
    argv += [f"--make_options=CC={compiler}", f"--timeout={_BOOT_SECONDS}"]
    argv += [f"--json={report}", SUITES]
    # The source may be shared with other build trees, and nothing else goes into it.
    env = {**clean_environment(), "PYTHONDONTWRITEBYTECODE": "1"}
    with process_group(argv, cwd=tree.root, env=env) as process:
        try:
            output, _ = process.communicate(timeout=_BUILD_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise UserError(
                f"kunit.py did not end within {_BUILD_SECONDS:.0f} s",
                hint="run the same command again; look at the load of the machine",
            ) from error
    said = output.decode(errors="replace")
    tree.log.write_text(said)
    if process.returncode != 0:
        check_disk(said, where=tree.root)
    return process.returncode


def main() -> int:
    """Print the tests that passed; the exit status is 1 if one did not, or if none ran."""
    try:
        passed = run_tests(*sys.argv[1:] or ["6.12"], progress=_say)
    except UserError as error:
        sys.stderr.write(f"kunit: {error}\n")
        return 1
    for name in passed:
        sys.stdout.write(f"passed: {name}\n")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
