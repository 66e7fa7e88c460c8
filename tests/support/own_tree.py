# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree of a user's in miniature, with a library of its own, and patches for it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from miniature_kernel import FILES, LINE, MAKEFILE, Miniature, make_miniature, write_files

from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest
from harness.kernel.choice.kernel_choice import KernelChoice
from harness.kernel.choice.parts import LIBRARY

if TYPE_CHECKING:
    from pathlib import Path

    from harness.kernel.build.images import KernelImage

VERSION = "VERSION = 6\nPATCHLEVEL = 6\nSUBLEVEL = 1\nEXTRAVERSION = -own\n"

HANDLERS = """\
	@mkdir -p $(O)/kernel/umd_witness
	@cp /bin/true $(O)/kernel/umd_witness/umd_witness_umh
	@cp /bin/true $(O)/kernel/umd_witness/umd_witness_backdoor_umh
"""

OWN_FILES = FILES | {
    "Makefile": VERSION + MAKEFILE.replace("modules:\n", f"modules:\n{HANDLERS}"),
    "Kconfig": FILES["Kconfig"] + "config BASE\n\tbool\n",
    "init/Kconfig": "# of init\n",
    "kernel/Makefile": "# of kernel\n",
    "arch/x86/Kconfig": "# of x86\n",
    "include/linux/usermode_driver.h": "struct umd_info;\n",
}

SERIES = f"""\
handlers = ["kernel/handler"]

[[commit]]
subject = "kernel: Clean up"
patch = "0001-hook.patch"

[[commit]]
subject = "kernel: Add the library"
overlay = ["{LIBRARY}", "kernel/library.c"]

[[commit]]
subject = "kernel: Add the witness"
overlay = ["kernel/umd_witness/*"]
"""

ADD_LIBRARY = f"""\
The library of their own.

--- /dev/null
+++ b/{LIBRARY}
@@ -0,0 +1 @@
+struct umd_mgmt;
"""

CHANGE_STRING = """\
--- a/lib/string.c
+++ b/lib/string.c
@@ -1 +1 @@
-int string(void) { return 0; }
+int string(void) { return 1; }
"""


@dataclass
class Own:
    """A tree, a kernel-patches folder in miniature, and what builds of them said."""

    tree: Path
    mini: Miniature
    said: list[str] = field(default_factory=list)

    def choice(self, **options: Any) -> KernelChoice:
        """A choice of the tree, or what else the options say."""
        return KernelChoice(**{"line": LINE, "tree": self.tree, **options})

    def build(self, **options: Any) -> KernelImage:
        """Build what `choice` chooses."""
        choice = self.choice(**options)
        self.said.clear()
        request = BuildRequest(choice.name, choice=choice)
        return kernel_image(request, progress=self.said.append, workspace=self.mini.workspace)

    @property
    def compiled(self) -> set[str]:
        """What the last build compiled."""
        return {line.rpartition("CC ")[2] for line in self.said if ", CC " in line}

    def built(self, **options: Any) -> Path:
        """The source that was built."""
        return self.mini.cache / "build" / self.choice(**options).folder / "source"

    def git(self, *arguments: str) -> None:
        """Run git in the tree."""
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=self.tree, check=True, timeout=60)

    def commit(self) -> None:
        """Make the tree a git repository in which all is committed."""
        self.git("init", "--quiet")
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--message=base")


def make_own(root: Path, *, library: bool = True) -> Own:
    """Make the tree, with a library or without."""
    mini = make_miniature(root / "mini")
    tree = root / "linux"
    write_files(tree, OWN_FILES | ({LIBRARY: "struct umd_mgmt;\n"} if library else {}))
    tarball = str(mini.sources / f"linux-source-{LINE}.tar.xz")
    scripts = f"linux-source-{LINE}/scripts"
    command = ["tar", "-xf", tarball, "--strip-components=1", scripts]
    subprocess.run(command, cwd=tree, check=True, timeout=60)
    (mini.patches / "overlay/kernel/witness/core.c").unlink()
    write_files(
        mini.patches,
        {
            f"{LINE}/series.toml": SERIES,
            f"overlay/{LIBRARY}": "struct umd_mgmt;\n",
            "overlay/kernel/umd_witness/core.c": "int umd_witness(void) { return 0; }\n",
            "overlay/kernel/umd_witness/Kconfig": "config WITNESS\n\tbool\n",
        },
    )
    return Own(tree, mini)
