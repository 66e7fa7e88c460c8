# SPDX-License-Identifier: GPL-2.0-only
"""The self-test of the series of March 2023, from an archive, in place of our sample."""

from __future__ import annotations

import subprocess
from pathlib import Path

from published_mail import git, mail

from harness.host.paths import KERNEL_PATCHES

SUBJECT = "[PATCH 4/5] selftests/umd_mgmt: Add selftests for UMD management library"
"""Of the mail of 17 March 2023 to linux-kselftest."""
_POSTED = Path("tools/testing/selftests/umd_mgmt/sample_umd")
_OURS = Path("samples/umd")

_MANAGER = "posted_mgr"
"""The posted manager is a file beside our own of the same name, which our series changes later."""
_FLAGS = "userccflags += -I $(srctree)"

CHANGES = {
    "sample_binary_blob.S": (f'"{_POSTED}/', f'"{_OURS}/'),
    # The guest has no shared libraries.
    "Makefile": (_FLAGS, f"{_FLAGS}\nuserldflags += -static\nsample_mgr-objs := {_MANAGER}.o"),
}
"""By file, the text that is changed, and the text in its place."""


def patch(archive: Path, folder: Path) -> Path:
    """Write a patch that puts the posted manager, loader and handler in place of our sample."""
    old, new = folder / "a" / _OURS, folder / "b" / _OURS
    for place in (old, new):
        place.mkdir(parents=True)
        for file in (KERNEL_PATCHES / "overlay" / _OURS).iterdir():
            (place / file.name).write_bytes(file.read_bytes())
    posted = folder / "posted"
    posted.mkdir()
    only = f"--include={_POSTED}/*"
    subprocess.run(
        ["git", "apply", only, "-"],
        cwd=posted,
        input=mail(archive, SUBJECT),
        check=True,
        timeout=60,
    )
    for file in (posted / _POSTED).iterdir():
        text = file.read_text()
        before, after = CHANGES.get(file.name, ("", ""))
        assert before in text, file
        text = text.replace(before, after, 1)
        name = f"{_MANAGER}.c" if file.name == "sample_mgr.c" else file.name
        (new / name).write_text(text)
    made = folder / "posted.patch"
    made.write_bytes(git(folder, "diff", "--no-index", "--no-prefix", "a", "b", codes=(1,)))
    return made
