# SPDX-License-Identifier: GPL-2.0-only
"""The image with the debug choice (R7): the line's own kernel but for that option."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.kernel.build.config import parse_config
from harness.model.cell import Cell
from harness.model.variants import VARIANTS
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from harness.lab.lab import Lab

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

VARIANT = "isolated-debug"
OPTION = "SECURITY_UMD_DEBUG"
OBJECTS = 1300
"""About as many are compiled for an image that is built from nothing."""


def test_the_choice_is_all_that_differs(lab: Lab) -> None:
    own, debug = (
        parse_config(image.config.read_text(), where=str(image.config))
        for image in (lab.image, lab.images(VARIANT).kernel)
    )
    differ = {name for name in own | debug if own.get(name, "n") != debug.get(name, "n")}
    assert differ == {OPTION}
    assert debug[OPTION] == "y"


def test_its_objects_are_not_built_twice(lab: Lab) -> None:
    log = lab.images(VARIANT).kernel.build_log.read_text()
    assert "bzImage is ready" in log, "this is not the log of its build"
    assert log.count("\n  CC ") < OBJECTS / 4


def test_each_variant_runs_on_its_own_image(lab: Lab) -> None:
    for variant in VARIANTS:
        kernel = lab.images(variant).kernel
        assert (kernel.key != lab.image.key) == (variant == VARIANT)
        assert lab.spec(variant).kernel == kernel.bzimage
    # A wrong address of the tally or of the handler's memory would give no verdict.
    for scenario, verdict in (("nothing", Verdict.HELD), ("host_tamper", Verdict.TAMPERED)):
        outcome = lab.run(Cell(lab.line, VARIANT, scenario))
        assert outcome.verdict is verdict, outcome.detail
        assert outcome.image == lab.images(VARIANT).kernel.key
