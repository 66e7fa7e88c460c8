# SPDX-License-Identifier: GPL-2.0-only
"""Route: functions that write to a task, its signal state or its mm through a pointer."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from harness.surface.semantic import search

if TYPE_CHECKING:
    from harness.surface.tree import KernelTree

_WORTH = re.compile(r"\bstruct (?:task_struct|signal_struct|mm_struct)\s*\*")
_KINDS = ("task", "signal", "memory")


def find_writes(tree: KernelTree) -> dict[str, str]:
    """Return each function that writes, with its file and the fields that it writes.

    A variable that is set from `current` only is the caller's own and does not count.
    """
    matches = search(tree, "writes.cocci", worth=_WORTH)
    own = {(m.function, m.variable) for m in matches if m.kind == "own"}
    own -= {(m.function, m.variable) for m in matches if m.kind == "other"}
    fields: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for match in matches:
        if match.kind in _KINDS and (match.function, match.variable) not in own:
            fields[match.function, match.file].add(f"{match.kind}.{match.what}")
    return {
        function: f"{file}: {' '.join(sorted(written))}"
        for (function, file), written in sorted(fields.items(), reverse=True)
    }
