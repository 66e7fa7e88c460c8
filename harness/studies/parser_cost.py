# SPDX-License-Identifier: GPL-2.0-only
"""The cost of a parser outside of the kernel: a certificate on `isolated`, by handler and kernel.

Each machine has both parse the same certificate, one after the other, many times. As in
harness/studies/round_trip.py, the figure of a machine is the first decile of its times, and the
interval is that of the sign test.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from harness.host.errors import UserError, VmLost
from harness.host.pace import Pace
from harness.studies.round_trip import ISOLATED, calm, sign_interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.run.cell_runner import ParserTimer

MACHINES = 10
WARM, CERTIFICATES = 100, 500
"""Certificates of each machine: those that are not counted, while QEMU translates, and the rest."""


@dataclass(frozen=True)
class ParserCost:
    """For each machine, the first deciles in microseconds, in the same order."""

    handler: tuple[float, ...]
    kernel: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """How many certificates the handler parses while the kernel parses one, by machine."""
        return [kernel / handler for handler, kernel in zip(self.handler, self.kernel, strict=True)]

    def __str__(self) -> str:
        """Return the lines that `bench` prints."""
        low, high = sign_interval(self.ratios)
        return (
            f"{'certificate of a vendor':<32} handler {median(self.handler):.0f} us  "
            f"kernel {median(self.kernel):.0f} us  rate {median(self.ratios):.3f} of the kernel's "
            f"({low:.3f} to {high:.3f})\n"
            f"{'':<32} {len(self.handler)} machines of {ISOLATED}, {CERTIFICATES} certificates "
            "each; first deciles; the kernel's time includes a digest"
        )


def parser_cost(lab: ParserTimer, *, machines: int, progress: Callable[[str], None]) -> ParserCost:
    """Time certificates on so many machines. Raises UserError for one that was lost."""
    handler, kernel = [], []
    pace = Pace(machines)
    for number in range(machines):
        progress(f"bench: certificates {pace.at(number)}")
        try:
            with lab.parser_clock(ISOLATED) as add:
                add(WARM)
                times = add(CERTIFICATES)
        except (VmLost, OSError) as error:
            raise UserError(
                f"no certificates could be timed: {error}",
                hint="see whether the handler answers: umd-harness run --handler x509 -k nothing",
            ) from error
        handler.append(calm(times["handler"]))
        kernel.append(calm(times["kernel"]))
    return ParserCost(tuple(handler), tuple(kernel))
