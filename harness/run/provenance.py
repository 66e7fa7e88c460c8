# SPDX-License-Identifier: GPL-2.0-only
"""The provenance of a run: its lab, and the facts about the lab that run.json keeps."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from harness.engines import ENGINES, MICROVM
from harness.host import facts
from harness.host.paths import CHECKOUT
from harness.results.run_header import FlavourImages, Provenance
from harness.run.code import code_digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.guests.initramfs import GuestImage
    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.lab.images import BootImages
    from harness.lab.lab import Lab
    from harness.run.cell_runner import InspectableRunner
    from harness.scenarios.corpus import Corpus

_DEADLINE = 10.0  # seconds for git or QEMU to print a version

Progress = Callable[[str], None]


@dataclass(frozen=True)
class GuestContent:
    """The hashes of what the guests of a flavour get."""

    initramfs: str
    payloads: Mapping[str, str]
    """By the name of the file."""


@dataclass(frozen=True)
class PreparedLab:
    """A lab that is ready to run cells, and the facts about it."""

    lab: InspectableRunner
    facts: Provenance = field(default_factory=Provenance)
    guests: Mapping[str, GuestContent] = field(default_factory=dict)
    """By flavour; empty for a lab without guests."""
    images: Mapping[str, BootImages] = field(default_factory=dict)
    """By flavour; empty for a lab without images."""


LabPreparer = Callable[[str, Iterable[str], Progress], AbstractContextManager[PreparedLab]]
"""Prepares a lab for a kernel line and variants. Unit tests have one that needs no machine."""


@contextmanager
def prepare_lab(
    line: str,
    variants: Iterable[str],
    progress: Progress,
    *,
    corpus: Corpus,
    choice: KernelChoice | None = None,
    engine: str = MICROVM.name,
) -> Iterator[PreparedLab]:
    """Build or find everything that cells of the variants need. Raises UserError.

    With a `choice`, the kernel is the user's, and `line` is its name. `engine` is the name of the
    engine that boots the machines.
    """
    from harness.lab.lab import Lab
    from harness.vm.workdir import sweep

    with suppress(OSError):  # another worker may remove its files meanwhile
        sweep()
    asked = list(dict.fromkeys(variants))
    lab = Lab.open(
        line, asked, progress=progress, choice=choice, engine=ENGINES[engine], corpus=corpus
    )
    guests = {flavour: _content(images.guest) for flavour, images in lab.flavours.items()}
    yield PreparedLab(lab, facts_of_lab(lab, choice, asked), guests, lab.flavours)


def _content(guest: GuestImage) -> GuestContent:
    def digest(path: Path) -> str:
        return sha256(path.read_bytes()).hexdigest()

    payloads = {path.name: digest(path) for path in sorted(guest.payloads.iterdir())}
    return GuestContent(digest(guest.initramfs), payloads)


def planned_image(line: str, choice: KernelChoice | None) -> str:
    """Return the key of the kernel image that `prepare_lab` would build or find.

    It is empty for a kernel that is already built. Raises UserError.
    """
    from harness.kernel.build.build import image_key

    if choice is None:
        return image_key(line)
    return "" if choice.bzimage else image_key(choice.name, choice=choice)


def facts_of_lab(
    lab: Lab, choice: KernelChoice | None = None, asked: Sequence[str] = ()
) -> Provenance:
    """Return what the lab is made of, which was opened for the variants `asked`."""
    from harness.guests.debian import recipe_key
    from harness.kernel.choice.built import description, facts_of

    image = lab.image
    return Provenance(
        image=image.key,
        release=image.release,
        compiler=image.compiler,
        source=image.meta.get("source", ""),
        config=image.meta.get("config", ""),
        series=image.meta.get("series", ""),
        kernel=description(choice) if choice else "",
        choice={**facts_of(choice, image.merged), "words": choice.words()} if choice else None,
        guest_image=lab.guest.key,
        disk=recipe_key() if lab.engine.has_disk else "",
        engine=lab.engine.name,
        handler=lab.corpus.handler,
        flavours={
            flavour: FlavourImages(
                image=images.kernel.key,
                config=images.kernel.meta.get("config", ""),
                guest_image=images.guest.key,
            )
            for flavour, images in lab.flavours.items()
            if flavour
        },
        opened_for=tuple(asked),
        qemu=version_of("qemu-system-x86_64", "--version"),
        accelerator=lab.accelerator.name,
        accelerator_reason=lab.accelerator.reason,
        commit=commit(),
        code=code_digest(),
        host=f"{platform.machine()}, Linux {platform.release()}",
        host_system=facts.system(),
        host_cpu=facts.cpu_model(),
        host_cores=os.cpu_count(),
        host_memory_mib=facts.memory_mib(),
    )


def commit() -> str:
    """Return the commit of the harness as `git describe` prints it, or `unknown`.

    Only the checkout's own repository counts: an installed package may lie in another one.
    """
    where = (f"--git-dir={CHECKOUT / '.git'}", f"--work-tree={CHECKOUT}")
    return version_of("git", *where, "describe", "--always", "--dirty") or "unknown"


def version_of(*argv: str) -> str:
    """Return the first line that the command prints; empty if it fails or does not exist."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=True, timeout=_DEADLINE, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.partition("\n")[0].strip()
