# SPDX-License-Identifier: GPL-2.0-only
"""A file that exploits a bug in a parser: how far it gets, by where the parser runs."""

from __future__ import annotations

from itertools import product
from signal import SIGKILL
from typing import TYPE_CHECKING

import pytest

from harness.host.errors import TooLate
from harness.lab.lab import Lab
from harness.lab.parser_exploit import Exploited, NextReply, parser_exploit
from harness.model.handlers import HANDLERS, PKCS7, WITH_BUG, X509
from harness.scenarios.corpus import SHIPPED
from harness.studies.parser_bug import SETTINGS, Setting

if TYPE_CHECKING:
    from harness.lab.images import BootImages
    from harness.vm.machine import Machine

REPLIES = {
    "kthread": NextReply.FORGED,
    "baseline": NextReply.FORGED,
    "seccomp-strict": NextReply.FORGED,
    "isolated": NextReply.FORGED,
    "isolated, fresh": NextReply.RIGHT,
}
"""By setting, whose reply the next file gets."""
SETS_NAME = {"kthread", "baseline"}
"""The settings in which a file reaches the rest of the machine."""
EVERYWHERE = list(product([X509.name], SETTINGS))
"""One parser in all settings. The study has them all (`bench --parser-bug`)."""
OTHERS = [
    (parser, setting)
    for parser, setting in product(WITH_BUG, SETTINGS)
    if parser != X509.name and setting.name in {"kthread", "isolated", "isolated, fresh"}
]

in_each = pytest.mark.parametrize(("parser", "setting"), [*EVERYWHERE, *OTHERS], ids=str)


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The shipped kernel line with the handlers that parse."""
    corpus = SHIPPED.with_handler(PKCS7.name)
    variants = {setting.variant for setting in SETTINGS}
    return Lab.open("6.12", variants, progress=lambda _: None, corpus=corpus)


@in_each
def test_a_file_that_only_replies_changes_the_next_reply(
    lab: Lab, parser: str, setting: Setting
) -> None:
    """Nothing but a new process for each request takes the handler back."""
    found = lab.parser_exploit(parser, setting.variant, boot=setting.boot, names=False)
    signal = SIGKILL if setting.boot else 0  # by the library, after each request
    assert found == Exploited(True, False, REPLIES[setting.name], signal)


@in_each
def test_a_file_sets_the_host_name_where_nothing_stops_it(
    lab: Lab, parser: str, setting: Setting
) -> None:
    """Strict seccomp ends the handler by SIGKILL. An exploit that failed would end by SIGSEGV."""
    found = lab.parser_exploit(parser, setting.variant, boot=setting.boot, names=True)
    if setting.name in SETS_NAME:
        assert found == Exploited(True, True, NextReply.FORGED, 0)
    else:
        assert found == Exploited(False, False, NextReply.RIGHT, SIGKILL)


def test_an_exploit_that_comes_too_late_is_tried_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy host the library's deadline may pass before a handler has replied."""
    too_late = [TooLate("the first try"), TooLate("the second try")]

    def exploit(machine: Machine, images: BootImages, parser: str, **how: bool) -> Exploited:
        if too_late:
            raise too_late.pop()
        return parser_exploit(machine, images, parser, **how)

    monkeypatch.setattr("harness.lab.lab.parser_exploit", exploit)
    found = lab.parser_exploit(X509.name, "baseline", names=False)
    assert found == Exploited(True, False, NextReply.FORGED, 0)
    assert not too_late


@pytest.mark.parametrize("parser", WITH_BUG)
def test_without_seccomp_the_same_file_goes_past_its_system_call(lab: Lab, parser: str) -> None:
    """The control: the capability is gone, so the call fails, and the file replies all the same."""
    found = lab.parser_exploit(parser, "isolated", boot="umd_without=seccomp", names=True)
    assert found == Exploited(True, False, NextReply.FORGED, 0)


@pytest.mark.parametrize("parser", WITH_BUG)
@pytest.mark.parametrize("names", [False, True])
def test_the_parser_without_the_bug_is_not_taken_over(
    lab: Lab, parser: str, *, names: bool
) -> None:
    """The files have their effect by the bug alone: the same handler goes on."""
    found = lab.parser_exploit(parser, "baseline", boot=HANDLERS[parser].parameter, names=names)
    assert found == Exploited(False, False, NextReply.RIGHT, 0)
