# SPDX-License-Identifier: GPL-2.0-only
"""What a bug in a parser allows a malicious file, by where the parser runs.

The bug is planted, and the exploit is real (harness/lab/parser_exploit.py). There are two files,
and each is tried on a machine of its own. The first file only replies in the parser's place. The
second file sets the host name before it replies, which takes more than a parser needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Protocol

from harness.host.errors import UserError, VmLost
from harness.host.pace import Pace
from harness.model.handlers import WITH_BUG
from harness.results.bench_figures import SettingFigures
from harness.studies.cut_short import CutShort

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.lab.parser_exploit import Exploited

FRESH = "umd_witness.fresh=1"
"""The boot parameter that gives each request a handler of its own."""


@dataclass(frozen=True)
class Setting:
    """Where the parser runs."""

    name: str
    variant: str
    boot: str = ""
    """Boot parameters beyond those of the variant."""


SETTINGS = (
    Setting("kthread", "kthread"),
    Setting("baseline", "baseline"),
    Setting("seccomp-strict", "seccomp-strict"),
    Setting("isolated", "isolated"),
    Setting("isolated, fresh", "isolated", FRESH),
)


class Exploiter(Protocol):
    """Exploits the bug on its machines."""

    def parser_exploit(
        self, parser: str, variant: str, *, boot: str = "", names: bool
    ) -> Exploited:
        """Hand over the file on a machine, as harness/lab/parser_exploit.py does."""


@dataclass(frozen=True)
class BugCost:
    """How far the two files got with one parser in one setting."""

    parser: str
    """The name of the handler that has it without the bug."""
    setting: Setting
    replies: Exploited
    """The file that only replies."""
    names: Exploited
    """The file that also sets the host name."""

    def figures(self) -> SettingFigures:
        """Return the entry in the file of figures."""
        return SettingFigures(
            parser=self.parser,
            name=self.setting.name,
            replies=self.replies.is_taken_over,
            sets_name=self.names.sets_name,
            next_reply=self.replies.next_reply,
            signal=self.names.signal,
        )

    def __str__(self) -> str:
        """Return the row that `bench` prints under `HEAD`."""
        return _ROW.format(
            self.parser,
            self.setting.name,
            "yes" if self.replies.is_taken_over else "no",
            "yes" if self.names.sets_name else "no",
            self.replies.next_reply,
        )


_ROW = "{:<6}  {:<15}  {:<14}  {:<18}  {}"
HEAD = _ROW.format(
    "parser", "where it runs", "a file replies", "sets the host name", "reply about the next file"
)
"""The heading of the rows of a `BugCost`."""


def parser_bug(lab: Exploiter, *, progress: Callable[[str], None]) -> list[BugCost]:
    """Try both files of each parser in each setting.

    Raises UserError for a lost machine: CutShort if a setting was tried before.
    """
    found: list[BugCost] = []
    places = list(product(WITH_BUG, SETTINGS))
    pace = Pace(len(places))
    for number, (parser, setting) in enumerate(places):
        progress(f"bench: parsers with a bug {pace.at(number)}, {parser}, {setting.name}")
        try:
            tried = [
                lab.parser_exploit(parser, setting.variant, boot=setting.boot, names=names)
                for names in (False, True)
            ]
        except (VmLost, OSError) as error:
            lost = UserError(
                f"the bug of {parser} could not be exploited on {setting.name}: {error}",
                hint=f"see whether it answers: umd-harness run --handler {parser} -k nothing",
            )
            if not found:
                raise lost from error
            told = f"{number} of {len(places)} settings"
            raise CutShort(lost, found, measured=told) from error
        found.append(BugCost(parser, setting, *tried))
    return found
