# SPDX-License-Identifier: GPL-2.0-only
"""What a bug in a parser costs, from exploits whose end is known."""

from __future__ import annotations

from itertools import product

import pytest

from harness.host.errors import UserError, VmLost
from harness.lab.parser_exploit import Exploited, NextReply
from harness.model.handlers import WITH_BUG
from harness.studies.cut_short import kept
from harness.studies.parser_bug import FRESH, HEAD, SETTINGS, parser_bug


class Lab:
    """Machines on which each file does what it can, unless a handler is fresh."""

    def parser_exploit(
        self, parser: str, variant: str, *, boot: str = "", names: bool
    ) -> Exploited:
        assert parser in WITH_BUG
        reply = NextReply.RIGHT if boot == FRESH else NextReply.FORGED
        return Exploited(True, names and variant != "isolated", reply, 0)


def test_each_setting_has_its_row() -> None:
    found = parser_bug(Lab(), progress=lambda _: None)
    assert [(cost.parser, cost.setting) for cost in found] == list(product(WITH_BUG, SETTINGS))
    rows = [HEAD, *map(str, found)]
    assert rows[1].split() == ["x509", "kthread", "yes", "yes", "the", "attacker's"]
    assert rows[-1].split() == ["rpm", "isolated,", "fresh", "yes", "no", "right"]
    assert len({row.index(row.split("  ")[-1].strip()) for row in rows}) == 1
    figures = found[-1].figures()
    assert (figures.parser, figures.name) == ("rpm", "isolated, fresh")
    assert (figures.replies, figures.sets_name, figures.next_reply) == (True, False, "right")


def test_a_lost_machine_is_an_error() -> None:
    class Lost(Lab):
        def parser_exploit(
            self, parser: str, variant: str, *, boot: str = "", names: bool
        ) -> Exploited:
            raise VmLost(f"{parser} on {variant} is gone{boot}, {names}")

    with pytest.raises(UserError, match="on kthread: x509 on kthread is gone"):
        parser_bug(Lost(), progress=lambda _: None)


def test_the_settings_before_a_lost_machine_are_kept() -> None:
    class Lost(Lab):
        def parser_exploit(
            self, parser: str, variant: str, *, boot: str = "", names: bool
        ) -> Exploited:
            if variant == "isolated":
                raise VmLost(f"{parser} on {variant} is gone")
            return super().parser_exploit(parser, variant, boot=boot, names=names)

    found, cut = kept(lambda: parser_bug(Lost(), progress=lambda _: None))
    assert [cost.setting.name for cost in found] == ["kthread", "baseline", "seccomp-strict"]
    assert f"those of 3 of {len(WITH_BUG) * len(SETTINGS)} settings" in str(cut)
