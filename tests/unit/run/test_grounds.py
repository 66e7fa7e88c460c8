# SPDX-License-Identifier: GPL-2.0-only
"""The grounds of a cell change with all that its result rests on, and with nothing else."""

from __future__ import annotations

import resource
import shutil
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
from small_corpus import changed

from harness.guests import policies as guests_policies
from harness.host.paths import PACKAGE
from harness.judge.cells import all_cells
from harness.model.cell import Cell
from harness.results.run_header import FlavourImages, Provenance
from harness.run import attack_code, code, grounds
from harness.run.grounds import Grounds
from harness.run.provenance import GuestContent, PreparedLab
from harness.scenarios.corpus import SHIPPED, Corpus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

VARIANTS = ("baseline", "isolated", "isolated-debug", "kthread")
FACTS = Provenance(image="1", qemu="10", flavours={"debug": FlavourImages(image="2")})
PAYLOADS = {"write_user.bpf.o": "1", "task_work.bpf.o": "2", "bpf_loader": "3", "find_page": "4"}


def digests(
    corpus: Corpus = SHIPPED, facts: Provenance = FACTS, payloads: Mapping[str, str] = PAYLOADS
) -> dict[Cell, str]:
    flavours = {variant.flavour for variant in corpus.variants.values()}
    guests = dict.fromkeys(flavours, GuestContent("1", payloads))
    grounds = Grounds(corpus, PreparedLab(None, facts, guests))  # type: ignore[arg-type]
    with no_open_files():
        return {
            cell: grounds.digest(cell) for cell in all_cells(corpus) if cell.variant in VARIANTS
        }


@contextmanager
def no_open_files() -> Iterator[None]:
    """No file can be opened, as while a cell takes all open files that the harness may have."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture(scope="module")
def before() -> dict[Cell, str]:
    return digests()


def attacks(before: Mapping[Cell, str], after: Mapping[Cell, str]) -> set[str]:
    """The attacks with cells whose grounds have changed."""
    return {cell.scenario for cell in before if before[cell] != after[cell]}


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], None]:
    """Edits a file of a copy of the package, which takes the package's place."""
    shutil.copytree(PACKAGE, tmp_path / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    copy = tmp_path / "harness"
    monkeypatch.setattr(code, "PACKAGE", copy)
    monkeypatch.setattr(grounds, "PACKAGE", copy)
    monkeypatch.setattr(attack_code, "PACKAGE", copy)
    monkeypatch.setattr(
        attack_code, "_file", lambda name: tmp_path / f"{name.replace('.', '/')}.py"
    )

    def edit(name: str, old: str, new: str) -> None:
        text = (copy / name).read_text()
        assert old in text
        (copy / name).write_text(text.replace(old, new))

    return edit


def test_the_code_of_an_attack_counts_for_its_cells(
    before: dict[Cell, str], edited: Callable[[str, str, str], None]
) -> None:
    edited("scenarios/bpf.py", '"it never returns to user space"', '"it stays in the kernel"')
    after = digests()
    assert attacks(before, after) == {"bpf_task_work"}
    assert all(before[cell] != after[cell] for cell in before if cell.scenario == "bpf_task_work")


def test_what_several_attacks_use_counts_for_them(
    before: dict[Cell, str], edited: Callable[[str, str, str], None]
) -> None:
    edited("scenarios/direct.py", "TRIES = 3", "TRIES = 4")
    found = attacks(before, digests())
    assert 0 < len(found) < 10


def test_the_code_that_judges_counts_for_all(
    before: dict[Cell, str], edited: Callable[[str, str, str], None]
) -> None:
    edited("witness/cell_verdict.py", "from __future__", "# changed\nfrom __future__")
    after = digests()
    assert all(before[cell] != after[cell] for cell in before)


def test_reports_and_tables_of_expectations_count_for_none(
    before: dict[Cell, str], edited: Callable[[str, str, str], None]
) -> None:
    edited("report/table.py", "from __future__", "# changed\nfrom __future__")
    edited("results/kept_cell.py", "from __future__", "# changed\nfrom __future__")
    edited("run/kept_reports.py", "from __future__", "# changed\nfrom __future__")
    edited("scenarios/selinux.toml", "[[measured]]", "# changed\n[[measured]]")
    assert digests() == before


def test_a_declaration_counts_for_its_attack(before: dict[Cell, str]) -> None:
    assert attacks(before, digests(changed(SHIPPED, "dev_mem", tries=7))) == {"dev_mem"}


def test_a_payload_counts_for_the_attacks_that_name_it(before: dict[Cell, str]) -> None:
    own = digests(payloads={**PAYLOADS, "write_user.bpf.o": "9"})
    assert attacks(before, own) == {"bpf_probe_write_user", "fmod_locked_down_bypass"}
    for shared in ("bpf_loader", "find_page"):
        after = digests(payloads={**PAYLOADS, shared: "9"})
        assert all(before[cell] != after[cell] for cell in before)


def test_images_and_variants_count_for_their_cells(before: dict[Cell, str]) -> None:
    for facts in (replace_facts(image="9"), replace_facts(qemu="11"), replace_facts(engine="x")):
        after = digests(facts=facts)
        assert all(before[cell] != after[cell] for cell in before if cell.variant == "isolated")
    debug = digests(facts=replace_facts(flavours={"debug": FlavourImages(image="9")}))
    changed_on = {cell.variant for cell in before if before[cell] != debug[cell]}
    assert changed_on == {"isolated-debug"}
    variants = {**SHIPPED.variants}
    variants["kthread"] = replace(variants["kthread"], cmdline="umd_isolation=off x=1")
    after = digests(replace(SHIPPED, variants=variants))
    assert {cell.variant for cell in before if before[cell] != after[cell]} == {"kthread"}
    variants = {**SHIPPED.variants}
    variants["baseline"] = replace(variants["baseline"], cmdline="umd_isolation=off x=1")
    after = digests(replace(SHIPPED, variants=variants))
    isolated = [cell for cell in before if cell.variant == "isolated"]
    assert any(before[cell] != after[cell] for cell in isolated), "their control has changed"


def test_a_policy_counts_for_the_variants_that_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AppArmor's is in no guest image."""
    policies = tmp_path / "policies"
    shutil.copytree(guests_policies.SOURCES, policies)
    monkeypatch.setattr(guests_policies, "SOURCES", policies)
    rules = policies / "apparmor" / "rules"
    cells = [Cell("6.12", name, "dev_mem") for name in ("apparmor", "isolated")]

    def grounds_of() -> list[str]:
        guests = {"": GuestContent("1", PAYLOADS)}
        opened = PreparedLab(None, FACTS, guests)  # type: ignore[arg-type]
        return [Grounds(SHIPPED, opened).digest(cell) for cell in cells]

    before = grounds_of()
    rules.write_text(rules.read_text() + "\n")
    after = grounds_of()
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True]


def replace_facts(**facts: object) -> Provenance:
    return msgspec.structs.replace(FACTS, **facts)


def test_a_users_own_attack_has_none() -> None:
    own = changed(SHIPPED, "dev_mem", origin=("--scenario", "mine.py"))
    assert {value == "" for cell, value in digests(own).items() if cell.scenario == "dev_mem"} == {
        True
    }
