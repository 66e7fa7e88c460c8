# SPDX-License-Identifier: GPL-2.0-only
"""The store of what an engine boots in place of the guest image's own initramfs."""

from __future__ import annotations

from harness.cache.places import BOOTS
from harness.cache.store import Store
from harness.guests.initramfs import IDLE_SECONDS, KEPT

_SECONDS = 600.0  # to make an entry takes seconds


def boot_store() -> Store:
    """Return the store. Its keys begin with that of the guest image; its folders are private."""
    return Store(BOOTS.path(), seconds=_SECONDS, kept=KEPT, idle_seconds=IDLE_SECONDS, mode=0o700)
