# SPDX-License-Identifier: GPL-2.0-only
"""Rivals: what is said of them is of the corpus, and their policies say what they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from small_corpus import changed

from harness.guests.policies import (
    DOMAIN,
    LABELS,
    RULES,
    compile_cil,
    compile_profiles,
    policies,
    selinux_sources,
    spelt_out,
)
from harness.host.errors import UserError
from harness.judge.cells import all_cells
from harness.model.variants import VARIANTS
from harness.model.verdict import Verdict
from harness.scenarios import EVERY, REFERENCES, SCENARIOS
from harness.scenarios import rivals as module
from harness.scenarios.corpus import SHIPPED
from harness.scenarios.rivals import RIVALS, rival_expectations

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = bytes.fromhex("8cff7cf9")
"""What a policy of SELinux begins with (security/selinux/ss/policydb.h)."""

CIL = selinux_sources("microvm")


def test_a_refusal_may_begin_with_a_version_of_linux() -> None:
    """SELinux asks about io_uring_setup(2) since 6.15."""
    scenario, selinux = SCENARIOS["delayed_fput"], VARIANTS["selinux"]
    assert scenario.on_line("6.12").expected(selinux) is Verdict.DISRUPTED
    assert scenario.on_line("7.2").expected(selinux) is Verdict.HELD


@pytest.mark.parametrize("rival", RIVALS)
def test_what_was_measured_is_of_the_corpus_and_has_its_reason(rival: str) -> None:
    measured = rival_expectations(rival)
    assert measured.keys() <= EVERY.keys() - set(REFERENCES)
    assert all(one.reason.strip() for one in measured.values())
    assert {one.verdict for one in measured.values()} >= {Verdict.HELD}
    for name, one in measured.items():
        assert EVERY[name].expected(VARIANTS[rival]) is one.verdict


@pytest.mark.parametrize("rival", RIVALS)
def test_what_was_not_measured_otherwise_wins_as_on_baseline(rival: str) -> None:
    policy, baseline = VARIANTS[rival], VARIANTS["baseline"]
    assert policy.cmdline.startswith(baseline.cmdline)
    for name, one in SCENARIOS.items():
        if (
            name not in rival_expectations(rival)
            and not {"baseline", rival} & one.not_applicable.keys()
        ):
            assert one.expected(policy) is one.expected(baseline)
            assert one.gains(policy) == one.gains(baseline)


def test_an_attack_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = '[[measured]]\nverdict = "held"\nreason = "so"\nattacks = ["kcore"]\n'
    (tmp_path / "twice.toml").write_text(2 * group)
    monkeypatch.setattr(module, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"twice\.toml names kcore twice"):
        rival_expectations("twice")


def test_an_attack_of_the_users_own_meets_a_rival_only_if_that_is_named() -> None:
    brought = changed(SHIPPED, "kcore", origin=("--scenario", "mine.py"))
    assert not [c for c in all_cells(brought) if c.scenario == "kcore" and c.variant in RIVALS]
    named = all_cells(brought, variants=RIVALS)
    assert [c.variant for c in named if c.scenario == "kcore"] == list(RIVALS)


def test_an_engine_that_loads_no_policy_boots_no_rival() -> None:
    assert not [cell for cell in all_cells(SHIPPED, engine="virtme") if cell.variant in RIVALS]
    with pytest.raises(UserError, match="--engine virtme does not load the policy of selinux"):
        all_cells(SHIPPED, variants=["baseline", "selinux"], engine="virtme")


def test_the_guest_gets_a_policy_its_labels_and_a_domain() -> None:
    files = policies(["/lib/modules/one.ko", "/lib/modules/two.ko", "/init"])
    assert files[f"selinux/{RULES}"].startswith(MAGIC)
    labelled = [line.split(" ")[0] for line in files[f"selinux/{LABELS}"].decode().splitlines()]
    assert {"/lib/modules/one.ko", "/lib/modules/two.ko", "/sbin/modprobe"} <= set(labelled)
    assert "/init" not in labelled
    assert files[f"selinux/{DOMAIN}"] == b"system:system_r:root_t"


def test_a_pattern_stands_for_the_files_that_are_there() -> None:
    assert spelt_out("/a a\n/b/* b\n/c* c\n", ["/b/2", "/b/1"]) == "/a a\n/b/1 b\n/b/2 b\n"


def test_a_policy_that_is_none_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.cil"
    broken.write_text("(allow nobody_t nobody_t (file (read)))\n")
    with pytest.raises(UserError, match=r"does not compile: .* at .*broken\.cil:1"):
        compile_cil(broken)


def test_profiles_compile_or_the_compiler_is_heard(tmp_path: Path) -> None:
    assert b"everybody" in compile_profiles()
    broken = tmp_path / "broken"
    broken.write_text("profile everybody /** { capability everything, }\n")
    with pytest.raises(UserError, match=r"the AppArmor policy does not compile: .*broken"):
        compile_profiles(broken)


ALLOWED = (
    "(allow umd_handler_t file_t (file (open)))",
    "(allow umd_handler_t self (capability (sys_admin)))",
)


@pytest.mark.parametrize("more", ALLOWED)
def test_what_must_never_be_allowed_does_not_compile(tmp_path: Path, more: str) -> None:
    added = tmp_path / "added.cil"
    added.write_text(more)
    with pytest.raises(UserError, match="the SELinux policy does not compile"):
        compile_cil(*CIL, added)


def test_a_denial_that_the_compiler_takes_for_nothing_does_not_compile(tmp_path: Path) -> None:
    """An expression that stands in a deny rule itself is one, to secilc 3.8."""
    named, itself = "every_type instrument)", "every_type (perf_event (all)))"
    for source in CIL:
        text = source.read_text()
        (tmp_path / source.name).write_text(
            text.replace(f"(deny others {named}", f"(deny others {itself}")
        )
    with pytest.raises(UserError, match="the SELinux policy does not compile"):
        compile_cil(*sorted(tmp_path.glob("*.cil")))
