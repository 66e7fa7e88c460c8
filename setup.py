# SPDX-License-Identifier: GPL-2.0-only
"""The build step that pyproject.toml cannot say: what we ship beside the package goes into it."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("kernel-patches", "guest-images")


class BuildWithData(build_py):
    """Puts the kernel patches and the guests' sources into the wheel (harness/host/paths.py)."""

    def run(self) -> None:
        """Build; an editable installation finds them in the checkout."""
        super().run()
        if self.editable_mode:
            return
        for name in SHIPPED:
            target = Path(self.build_lib) / "harness" / "data" / name
            shutil.rmtree(target, ignore_errors=True)  # of a former build, in build/
            shutil.copytree(name, target)


setup(cmdclass={"build_py": BuildWithData})
