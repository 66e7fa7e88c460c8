# SPDX-License-Identifier: GPL-2.0-only
"""Route: functions that write to a task's, its signals' or its memory's state by a pointer."""

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
    """Each function that writes, with what it writes and in which file.

    A variable that is only ever set from `current` is the caller's own and does not count.
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
