# SPDX-License-Identifier: GPL-2.0-only
"""Where things are: what we ship, in a checkout or an installed package, and the cache."""

from __future__ import annotations

import os
from pathlib import Path

from harness.host.errors import UserError

PACKAGE = Path(__file__).resolve().parent.parent
"""The folder of this Python package."""

_INSTALLED = PACKAGE / "data"
"""Where setup.py puts what we ship into a wheel. A checkout has no such folder."""

CHECKOUT = _INSTALLED if _INSTALLED.is_dir() else PACKAGE.parent
"""The folder that holds `kernel-patches/` and `guest-images/`."""

KERNEL_PATCHES = CHECKOUT / "kernel-patches"
"""The overlay, the per-line series and the configuration fragments that we ship."""

GUEST_IMAGES = CHECKOUT / "guest-images"
"""The sources of what runs in the guests: agent, payloads, the accelerator's probe."""

HANDLERS = KERNEL_PATCHES / "overlay" / "tools" / "umd"
"""The sources of the handlers that parse, and of the kit that they are built with."""


def cache_dir() -> Path:
    """Return `$XDG_CACHE_HOME/umd-harness`, made if missing.

    A relative `XDG_CACHE_HOME` is ignored, as the XDG base directory specification demands.
    Raises UserError where none can be made.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".cache"
    cache = base / "umd-harness"
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"the cache cannot be made at {cache}: {error.strerror}",
            hint="set XDG_CACHE_HOME to a folder that is yours to write",
        ) from error
    return cache
