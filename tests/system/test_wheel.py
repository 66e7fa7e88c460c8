# SPDX-License-Identifier: GPL-2.0-only
"""The wheel, installed outside any checkout, finds the same images and runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from wheel import OFFLINE, SECONDS, build_wheel, call

from harness.cli.man_page import PLACE, man_page
from harness.host.version import version

if TYPE_CHECKING:
    from harness.lab.lab import Lab

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)


@dataclass(frozen=True)
class Installed:
    """A venv with the wheel in it, and an empty folder to start from."""

    programs: Path
    folder: Path

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the venv's programs. Nothing of this process's own leads it elsewhere."""
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if "PYTHON" not in name},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    place = tmp_path_factory.mktemp("installed")
    wheel = build_wheel(place)
    call(sys.executable, "-m", "venv", "--without-pip", place / "venv")
    programs = place / "venv" / "bin"
    pip = (sys.executable, "-m", "pip")
    call(*pip, "--python", programs / "python", "install", *OFFLINE, wheel)
    # The dependencies come from here; a path in a .pth file brings no .pth files of its own,
    # so the checkout's editable installation stays behind.
    (packages,) = (place / "venv").glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    folder = place / "empty"
    folder.mkdir()
    return Installed(programs, folder)


def test_it_is_the_wheel_that_runs(installed: Installed) -> None:
    said = installed.run("python", "-c", "import harness; print(harness.__file__)").stdout
    assert Path(said.strip()).is_relative_to(installed.programs.parent)


def test_it_lists_and_examines(installed: Installed) -> None:
    assert "proc_mem_write" in installed.run("umd-harness", "list").stdout
    assert "MISSING" not in installed.run("umd-harness", "doctor").stdout


def test_man_finds_its_page(installed: Installed) -> None:
    page = installed.programs.parent / PLACE
    assert page.read_text() == man_page(version())


def test_its_images_are_the_checkouts(installed: Installed, lab: Lab) -> None:
    said = installed.run("umd-harness", "build").stdout
    assert f"kernel image {lab.image.key[:12]} of 6.12, guest {lab.guest.key[:12]}" in said
    assert "objects" not in said, "it was built anew"


def test_it_runs_and_keeps_results_where_it_was_started(installed: Installed, lab: Lab) -> None:
    installed.run("umd-harness", "run", "-k", "nothing", "--variant", "baseline")
    run = installed.folder / "results" / "latest"
    header = json.loads((run / "run.json").read_text())
    assert (header["exit_status"], header["image"]) == (0, lab.image.key)
    lines = (run / "results.jsonl").read_text().splitlines()
    assert {json.loads(line)["scenario"] for line in lines} == {"nothing", "host_tamper"}


def test_its_pytest_plugin_loads(installed: Installed) -> None:
    (installed.folder / "test_mine.py").write_text(
        "def test_scenario(scenario_cell, request):\n"
        "    assert request.config.pluginmanager.hasplugin('umd-harness')\n"
    )
    said = installed.run("python", "-m", "pytest", "--collect-only", "-q").stdout
    assert "test_mine.py::test_scenario[6.12-isolated-proc_mem_write]" in said
