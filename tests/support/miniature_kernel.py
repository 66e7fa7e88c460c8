# SPDX-License-Identifier: GPL-2.0-only
"""A kernel source in miniature: a real tarball with a real Makefile that builds in a second.

It has the targets, the folders and the framework file that the harness expects of a kernel;
merge_config.sh is the real one.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.paths import cache_dir
from harness.kernel.build.plan import Workspace
from harness.kernel.source.tarball import checks_tree, find_source

if TYPE_CHECKING:
    from pathlib import Path

LINE = "6.12"

MAKEFILE = """\
SOURCES := $(shell find kernel lib -name '*.c')
OBJECTS := $(SOURCES:%.c=$(O)/%.o)
tinyconfig:
	@echo CONFIG_TINY=y > $(KCONFIG_CONFIG)
olddefconfig:
	@sed -i /VANISHES/d $(KCONFIG_CONFIG)
bzImage: $(OBJECTS)
	@mkdir -p $(O)/arch/x86/boot
	@cat $^ > $(O)/arch/x86/boot/bzImage
	@nm $^ | grep ' [Tt] ' > $(O)/System.map
	@echo '  LD      vmlinux.o'
	@touch $(O)/vmlinux.o
	@cp /bin/true $(O)/vmlinux
modules:
	@echo kernel/loader.o > $(O)/modules.order
	@mkdir -p $(O)/kernel
	@echo module > $(O)/kernel/loader.ko
	@cp /bin/true $(O)/kernel/handler
$(O)/%.o: %.c $(O)/.config
	@mkdir -p $(@D)
	@echo '  CC      $*.o'
	@$(CC) -c -o $@ $<
"""

KCONFIG = """\
config VANISHES
	bool "An option that cannot be had"
	depends on MISSING_PREREQUISITE
"""

FILES = {
    "Makefile": MAKEFILE,
    "Kconfig": KCONFIG,
    "kernel/usermode_driver.c": "int umd_load_blob(void) { return 0; }\n",
    "kernel/fork.c": "\n".join(f"int fork_step_{n}(void) {{ return {n}; }}" for n in range(9))
    + "\n",
    "lib/string.c": "int string(void) { return 0; }\n",
}

PATCH = """\
--- a/kernel/fork.c
+++ b/kernel/fork.c
@@ -3,6 +3,7 @@
 int fork_step_2(void) { return 2; }
 int fork_step_3(void) { return 3; }
 int fork_step_4(void) { return 4; }
+int fork_hook(void) { return 1; }
 int fork_step_5(void) { return 5; }
 int fork_step_6(void) { return 6; }
 int fork_step_7(void) { return 7; }
"""

SERIES = """\
handlers = ["kernel/handler"]

[[commit]]
subject = "kernel: Add the library"
overlay = ["kernel/library.c"]
patch = "0001-hook.patch"

[[commit]]
subject = "kernel: Add the witness"
overlay = ["kernel/witness/*"]
"""


@dataclass(frozen=True)
class Miniature:
    """Where the miniature's tarball, patches and cache are."""

    sources: Path
    patches: Path
    cache: Path

    @property
    def workspace(self) -> Workspace:
        """The three for a build, whatever space there is."""
        return Workspace(self.cache, self.patches, self.sources, free_space=0)

    @property
    def built(self) -> Path:
        """The kept build tree's folder."""
        return self.cache / "build" / LINE


def write_files(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def pack(sources: Path, files: dict[str, str], *, line: str = LINE) -> Path:
    """Pack `files` and the real merge_config.sh as a distribution does."""
    top = sources / f"linux-source-{line}"
    shutil.rmtree(top, ignore_errors=True)
    write_files(top, files)
    real = checks_tree(find_source(LINE, cache=cache_dir()), cache=cache_dir())
    (top / "scripts/kconfig").mkdir(parents=True)
    shutil.copy(real / "scripts/kconfig/merge_config.sh", top / "scripts/kconfig")
    tarball = sources / f"{top.name}.tar.xz"
    subprocess.run(["tar", "-cJf", tarball, "-C", sources, top.name], check=True, timeout=60)
    shutil.rmtree(top)
    return tarball


def make_miniature(root: Path) -> Miniature:
    sources, patches = root / "src", root / "kernel-patches"
    sources.mkdir(parents=True)
    pack(sources, FILES)
    write_files(
        patches,
        {
            "overlay/kernel/library.c": "int library(void) { return 0; }\n",
            "overlay/kernel/witness/core.c": "int witness(void) { return 0; }\n",
            f"{LINE}/0001-hook.patch": PATCH,
            f"{LINE}/series.toml": SERIES,
            "config/base.config": "CONFIG_BASE=y\nCONFIG_NOT_WANTED=n\n",
            "config/witness.config": "CONFIG_WITNESS=y\n# CONFIG_TINIER is not set\n",
        },
    )
    return Miniature(sources, patches, root / "cache")
