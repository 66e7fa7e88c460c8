# SPDX-License-Identifier: GPL-2.0-only
"""A file that exploits a bug in a parser: how far it gets, by where the parser runs."""

from __future__ import annotations

import pytest

from harness.lab.lab import Lab
from harness.lab.parser_exploit import Exploited, NextReply
from harness.model.handlers import X509
from harness.scenarios.corpus import SHIPPED
from harness.studies.parser_bug import SETTINGS, Setting

REPLIES = {
    "kthread": NextReply.FORGED,
    "baseline": NextReply.FORGED,
    "seccomp-strict": NextReply.FORGED,
    "isolated": NextReply.FORGED,
    "isolated, fresh": NextReply.RIGHT,
}
"""By setting, whose reply the next file gets."""
NAMES = {"kthread", "baseline"}
"""The settings in which the file reaches the rest of the machine."""


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The shipped kernel line with the handlers that parse."""
    corpus = SHIPPED.with_handler(X509.name)
    variants = {setting.variant for setting in SETTINGS}
    return Lab.open("6.12", variants, progress=lambda _: None, corpus=corpus)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_file_that_only_replies_changes_the_next_reply(lab: Lab, setting: Setting) -> None:
    """Nothing but a new process for each request takes the handler back."""
    with lab.parser_exploit(setting.variant, boot=setting.boot) as exploit:
        found = exploit(False)
    assert found == Exploited(True, False, REPLIES[setting.name], bool(setting.boot))


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_file_that_makes_a_system_call_names_the_machine(lab: Lab, setting: Setting) -> None:
    """Where the call kills the handler, it does not reply, and the next one is honest."""
    with lab.parser_exploit(setting.variant, boot=setting.boot) as exploit:
        found = exploit(True)
    names = setting.name in NAMES
    then = NextReply.FORGED if names else NextReply.RIGHT
    assert found == Exploited(names, names, then, not names)


@pytest.mark.parametrize("names", [False, True])
def test_the_parser_without_the_bug_is_not_taken_over(lab: Lab, *, names: bool) -> None:
    """The files have their effect by the bug alone: the same handler goes on."""
    with lab.parser_exploit("baseline", boot=X509.parameter) as exploit:
        found = exploit(names)
    assert found == Exploited(False, False, NextReply.RIGHT, False)
