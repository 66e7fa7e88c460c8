# SPDX-License-Identifier: GPL-2.0-only
"""The grounds of a cell: one hash of all that its result rests on, by which a later run keeps it.

They are the images and QEMU, the variant, what the scenario declares, its code and payloads, the
code of the harness that runs and judges cells, and the grounds of the cells on which it rests. What
cannot be told apart by scenario counts for all of them: a change then runs too much, never too
little.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from harness.guests.policies import source_files
from harness.host.paths import PACKAGE
from harness.judge.controls import rests_on
from harness.run.attack_code import AttackCode
from harness.run.code import judging_files

if TYPE_CHECKING:
    from pathlib import Path

    from harness.model.cell import Cell
    from harness.run.provenance import PreparedLab
    from harness.scenarios.corpus import Corpus


class Grounds:
    """The grounds of the cells of one run."""

    def __init__(self, corpus: Corpus, opened: PreparedLab) -> None:
        """Take the corpus and the lab of the run. Read all files here: none while cells run."""
        self._corpus = corpus
        self._facts = opened.facts
        self._guests = opened.guests
        self._code = AttackCode(corpus)
        # AppArmor's policy is compiled from its files in this process, and is in no guest image.
        self._policies = _hash([_digest(path) for path in source_files()])
        self._common = self._common_of()
        self._own = cache(self._own_of)
        self._attack = cache(self._attack_of)

    def digest(self, cell: Cell) -> str:
        """Return the hash; empty for a user's own attack, whose code is not told apart."""
        every = [self._own(one) for one in (cell, *rests_on(self._corpus, cell))]
        return _hash(every) if all(every) else ""

    def _own_of(self, cell: Cell) -> str:
        scenario, variant = self._corpus.scenario(cell), self._corpus.variant(cell)
        if scenario.origin:
            return ""
        guest = self._guests.get(variant.flavour)
        flavour = self._facts.flavours.get(variant.flavour)
        attack, others = self._attack(scenario.name)
        payloads = {} if guest is None else guest.payloads
        used = {name: payloads[name] for name in payloads if name.partition(".")[0] not in others}
        return _hash(
            {
                "cell": cell.id,
                "common": self._common,
                "kernel": flavour.image if flavour else self._facts.image,
                "guest": guest.initramfs if guest else "",
                "payloads": used,
                "variant": _plain(variant),
                "policy": self._policies if variant.rival else "",
                "attack": attack,
            }
        )

    def _attack_of(self, name: str) -> tuple[str, frozenset[str]]:
        """Return the hash of a scenario, and the words that only other attacks have."""
        scenario = self._corpus.scenarios[name]
        code = self._code.of(scenario)
        return _hash([_plain(scenario), code.source]), self._code.words - code.words

    def _common_of(self) -> str:
        """Return the hash of the code and of the facts on which all cells rest.

        The tables beside the attacks are left out: each scenario's declaration has its part.
        """
        facts = (self._facts.disk, self._facts.engine, self._facts.qemu, self._facts.accelerator)
        digests = {
            name: _digest(path)
            for name, path in judging_files()
            if path not in self._code.files and not _is_declared(path)
        }
        return _hash([facts, digests])


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _is_declared(path: Path) -> bool:
    return path.suffix == ".toml" and path.parent == PACKAGE / "scenarios"


def _plain(value: Any) -> Any:
    """Return what a declaration says as JSON has it, in an order that does not change."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return sorted([_plain(key), _plain(item)] for key, item in value.items())
    if isinstance(value, set | frozenset):
        return sorted(map(_plain, value))
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if callable(value):
        return getattr(value, "__qualname__", type(value).__qualname__)
    return value


def _hash(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
