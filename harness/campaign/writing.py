# SPDX-License-Identifier: GPL-2.0-only
"""A finding's folder: the finding, a scenario, and the commands that make it again.

There is a C program as well, unless the handler makes the calls itself.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from harness.campaign.as_c import c_program
from harness.campaign.as_scenario import EFFECTS, scenario_file
from harness.campaign.finding import CONFIRMATIONS
from harness.host.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.campaign.finding import Finding


@dataclass(frozen=True)
class FindingWriter:
    """Writes the findings of a campaign."""

    folder: Path
    words: Sequence[str]
    """The options that choose the machine, for the commands: variant, kernel, files."""
    seed: str
    reference: str
    """The variant with which findings are compared."""

    def write(self, number: int, finding: Finding) -> Path:
        """Write the folder of a finding; return it. Raises OSError."""
        name = name_of(number, finding)
        place = self.folder / name
        place.mkdir(exist_ok=True)
        program, scenario = place / f"{name}.c", place / f"{name}.py"
        about = f"{finding.verdict}: {finding.detail}. Calls: {', '.join(finding.pattern)}."
        about = about.replace('"', "'").replace("\\", "/").replace("\n", " ")
        if not finding.program.inside:
            write_atomically(program, c_program(finding.program, about=about))
        write_atomically(
            scenario, scenario_file(finding, name=name, program=program.name, about=about)
        )
        write_atomically(place / "finding.json", msgspec.json.encode(finding))
        if finding.log:
            write_atomically(place / "kernel.log", finding.log)
        write_atomically(place / "README.txt", self._readme(finding, program, scenario))
        return place

    def _readme(self, finding: Finding, program: Path, scenario: Path) -> str:
        effect = EFFECTS[finding.verdict].value
        ways: list[tuple[str, ...]] = [("--scenario", str(scenario))]
        if not finding.program.inside:
            ways.insert(0, ("--attack", str(program), "--effect", effect))
        again = (("run", *way, *self.words) for way in ways)
        return "\n".join(
            (
                f"{finding.verdict}: {finding.detail}",
                f"calls: {', '.join(finding.pattern)}",
                f"lost on {finding.confirmed} of {CONFIRMATIONS} machines that had just booted",
                f"on {self.reference}: {finding.reference_verdict}",
                f"hooks that saw the handler: {', '.join(finding.hooks) or 'none'}",
                f"found by the campaign with --seed {shlex.quote(self.seed)}",
                "",
                "To make it again:",
                *(f"  umd-harness {shlex.join(words)}" for words in again),
                "",
            )
        )


def name_of(number: int, finding: Finding) -> str:
    """Return a name that is one of a file, of a scenario and of a C program."""
    calls = "_".join(call.name for call in finding.program.calls[-2:])
    return re.sub(r"\W", "_", f"found_{number}_{calls}")[:60]
