# SPDX-License-Identifier: GPL-2.0-only
"""The version of the harness."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

from harness.host.paths import CHECKOUT, PACKAGE


def version() -> str:
    """Return the version in the checkout's pyproject.toml, or that of the installed package."""
    file = CHECKOUT / "pyproject.toml"
    if PACKAGE.parent == CHECKOUT and file.is_file():
        return str(tomllib.loads(file.read_text(encoding="utf-8"))["project"]["version"])
    try:
        return installed("umd-harness")
    except PackageNotFoundError:
        return "unknown"
