# SPDX-License-Identifier: GPL-2.0-only
"""Route: LSM hooks with a task, credentials or memory as an argument, from their table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.surface.tree import KernelTree

DEFINITIONS = "include/linux/lsm_hook_defs.h"

_HOOK = re.compile(r"^LSM_HOOK\(\s*[\w ]+?\*?,\s*[^,]+,\s*(\w+)\s*,([^)]*)\)", re.MULTILINE)
_TARGET = re.compile(r"\bstruct (?:task_struct|cred|mm_struct|pid)\b")


def find_hooks(tree: KernelTree) -> dict[str, str]:
    """Return each hook's name with its parameters."""
    text = (tree.source / DEFINITIONS).read_text()
    return {
        name: " ".join(parameters.split())
        for name, parameters in _HOOK.findall(text)
        if _TARGET.search(parameters)
    }
