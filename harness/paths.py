# SPDX-License-Identifier: GPL-2.0-only
"""Where things are: the checkout, and the cache outside it."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
"""The folder that holds `kernel-patches/`, `guest-images/` and `tests/`."""

KERNEL_PATCHES = CHECKOUT / "kernel-patches"
"""The overlay, the per-line series and the configuration fragments that we ship."""


def cache_dir() -> Path:
    """Return `$XDG_CACHE_HOME/umd-harness`, made if missing.

    A relative `XDG_CACHE_HOME` is ignored, as the XDG base directory specification demands.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".cache"
    cache = base / "umd-harness"
    cache.mkdir(parents=True, exist_ok=True)
    return cache
