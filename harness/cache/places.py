# SPDX-License-Identifier: GPL-2.0-only
"""The folders of the cache, each declared once: for the module that fills it, and for `clean`.

A note at the top of the cache belongs to a folder, and is declared with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.files import SCRATCH
from harness.host.paths import cache_dir

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Place:
    """A folder of the cache.

    `clean` uses `<name>.lock` as a lock of every place, and takes `<name>/.new-*` for leftovers.
    """

    name: str
    """The folder's name."""

    is_costly: bool = False
    """Only `clean --all` removes the folder: its content takes minutes or a network to make."""

    locks: tuple[str, ...] = ()
    """Glob patterns of further locks, relative to the cache."""

    leftovers: tuple[str, ...] = ()
    """Glob patterns of further leftovers, relative to the cache."""

    notes: tuple[str, ...] = ()
    """Glob patterns of the notes that `clean` removes with the folder, relative to the cache."""

    def path(self, cache: Path | None = None) -> Path:
        """Return the folder in `cache`, or in the user's cache. The folder may be missing."""
        return (cache_dir() if cache is None else cache) / self.name

    def all_locks(self) -> tuple[str, ...]:
        """Return the glob patterns of all locks, relative to the cache."""
        return (f"{self.name}.lock", *self.locks)

    def all_leftovers(self) -> tuple[str, ...]:
        """Return the glob patterns of all leftovers, relative to the cache."""
        return (f"{self.name}/{SCRATCH}*", *self.leftovers)


STATES = Place("states", locks=("states/*.lock",), notes=("accelerator.json", "qemu.json"))
"""The notes say which accelerator works and which QEMU there is: a saved state is of both."""
PLUGINS = Place("plugins")
BUILD = Place("build", locks=("build/*.lock",))
CHECKS = Place("checks")
MACHINES = Place("machines", locks=("machines/*/lock",))
TREES = Place("trees")
PATCHES = Place("patches")
BISECT = Place("bisect")
STEPS = Place("steps", is_costly=True)
"""Which steps of a series were built, and what sparse said of the kernel by itself."""
IMAGES = Place(
    "images",
    is_costly=True,
    leftovers=("images/.*.new",),
    notes=("objects-*.json", "phases.json"),
)
"""The notes say what earlier builds took: a build after `clean` still tells the time left."""
GUESTS = Place("guests", is_costly=True, leftovers=("guests/*/.new-*", "guests/*/tmp*"))
PROGRAMS = Place("programs", is_costly=True)
BOOTS = Place("boots", is_costly=True)
SURFACE = Place("surface", is_costly=True)
KSELFTESTS = Place("kselftests", is_costly=True)
SIGNING = Place("signing", is_costly=True, leftovers=(f"{SCRATCH}*",))
"""The key lies beside the images whose kernels trust its certificate: `clean` removes both."""
SOURCES = Place("sources", is_costly=True, notes=("source-*.json",))
DEBIAN = Place("debian", is_costly=True)
RECEIVED = Place("received", is_costly=True)
"""What a client of a Dask cluster has sent to a worker on this machine."""

PLACES = (
    *(STATES, PLUGINS, BUILD, CHECKS, MACHINES, TREES, PATCHES, BISECT),
    *(IMAGES, GUESTS, PROGRAMS, BOOTS, SURFACE, KSELFTESTS, SIGNING, SOURCES, DEBIAN),
    *(STEPS, RECEIVED),
)
"""All folders of the cache, in the order in which `clean` removes them."""
