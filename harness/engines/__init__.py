# SPDX-License-Identifier: GPL-2.0-only
"""The engines, under their names for `--engine`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.engines.image import Image
from harness.engines.microvm import Microvm
from harness.engines.virtme import Virtme

if TYPE_CHECKING:
    from harness.engines.engine import Engine

MICROVM = Microvm()
ENGINES: dict[str, Engine] = {engine.name: engine for engine in (MICROVM, Virtme(), Image())}
