# SPDX-License-Identifier: GPL-2.0-only
"""The shard that a run is: run.json keeps it, and `umd-harness merge` checks by it for gaps."""

from __future__ import annotations

from msgspec import Struct


class ShardRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the parts into which the chosen cells were divided by `--shard`."""

    number: int
    """The number of the shard, from 1."""

    of: int
    """How many shards there are."""

    filled: tuple[int, ...]
    """The numbers of the shards that have cells. There may be fewer attacks than shards."""

    plan: str
    """The hash of all chosen cells and of their shards: equal if all shards were divided alike."""

    def __str__(self) -> str:
        """Return it as `--shard` takes it."""
        return f"{self.number}/{self.of}"
