# SPDX-License-Identifier: GPL-2.0-only
"""Whether a process that was killed ends: it may need the CPU for that, and its reaper as well."""

from __future__ import annotations

import time
from pathlib import Path

SECONDS = 60.0


def gone(pid: int) -> bool:
    """Return whether the process ends within a minute. A zombie has ended."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
