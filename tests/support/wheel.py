# SPDX-License-Identifier: GPL-2.0-only
"""The wheel, built from a copy of the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from harness.host.paths import CHECKOUT

SECONDS = 900
OFFLINE = ("--no-deps", "--no-index", "--disable-pip-version-check")


def call(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr


def build_wheel(place: Path) -> Path:
    """Build the wheel into `place`."""
    checkout = place / "checkout"
    everywhere = shutil.ignore_patterns("__pycache__")
    here = shutil.ignore_patterns(".*", "__pycache__", "results", "build", "*.egg-info")

    def ignored(folder: str, names: list[str]) -> set[str]:
        return (here if Path(folder) == CHECKOUT else everywhere)(folder, names)

    shutil.copytree(CHECKOUT, checkout, ignore=ignored)
    pip = (sys.executable, "-m", "pip")
    call(*pip, "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", place, checkout)
    shutil.rmtree(checkout)
    (wheel,) = place.glob("*.whl")
    return wheel
