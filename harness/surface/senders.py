# SPDX-License-Identifier: GPL-2.0-only
"""Route: calls that send a signal without security_task_kill()."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.surface.semantic import search

if TYPE_CHECKING:
    from harness.surface.tree import KernelTree

_WORTH = re.compile(
    r"\b(?:send_sig\w*|\w*send_sig_info|send_signal_locked|kill_(?:pid|pgrp|cad)\w*"
    r"|__kill_pgrp_info|force_sig\w*_to_task|zap_other_threads)\("
)
_CURRENT = re.compile(r"\bcurrent\b")


def find_senders(tree: KernelTree) -> dict[str, str]:
    """Return each "function: sender" with its place and the target that it names.

    A call whose target is `current` signals the caller itself, and is left out.
    """
    found: dict[str, str] = {}
    for match in search(tree, "senders.cocci", worth=_WORTH):
        if not _CURRENT.search(match.variable):
            place = f"{match.file}:{match.line} to {match.variable}"
            found.setdefault(f"{match.function}: {match.kind}", place)
    return found
