# SPDX-License-Identifier: GPL-2.0-only
"""The build steps that pyproject.toml cannot say: the files of the wheel that are not modules."""

import shutil
import sys
from distutils.command.install_data import install_data
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
SHIPPED = ("kernel-patches", "guest-images")


class BuildWithData(build_py):
    """Puts what SHIPPED names into the wheel (harness/host/paths.py)."""

    def run(self) -> None:
        """Build; an editable installation finds them in the checkout."""
        super().run()
        if self.editable_mode:
            return
        for name in SHIPPED:
            target = Path(self.build_lib) / "harness" / "data" / name
            shutil.rmtree(target, ignore_errors=True)  # of a former build, in build/
            shutil.copytree(name, target)


class InstallManPage(install_data):
    """Writes the man page to where pip lays it: share/man/man1 of the environment."""

    def run(self) -> None:
        """Write it from the parser of the source, which needs no other package."""
        super().run()
        sys.path.insert(0, str(HERE))
        from harness.cli.man_page import PLACE, man_page

        page = Path(self.install_dir) / PLACE
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(man_page(self.distribution.get_version()))
        self.outfiles.append(str(page))


setup(
    cmdclass={"build_py": BuildWithData, "install_data": InstallManPage},
    data_files=[("share/man/man1", [])],  # without an entry, setuptools skips install_data
)
