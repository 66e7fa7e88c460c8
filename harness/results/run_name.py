# SPDX-License-Identifier: GPL-2.0-only
"""The name of a run, apart from all else: the pytest plugin gives one before it imports more."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

LATEST = "latest"
"""The name of the link to the newest run."""


def new_run_name() -> str:
    """Return a name that sorts by time and that no other run has."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
