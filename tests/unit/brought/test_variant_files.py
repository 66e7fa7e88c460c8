# SPDX-License-Identifier: GPL-2.0-only
"""Variants of the user's own: what a file may say, what it takes over, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from command_line import latest, umd_harness
from small_corpus import SMALL

from harness.brought.scenario_files import load_scenario_files
from harness.brought.variant_files import load_variant_files
from harness.host.errors import UserError
from harness.host.paths import GUEST_IMAGES
from harness.judge.cells import all_cells, check_corpus
from harness.model.variants import VARIANTS
from harness.model.verdict import Verdict
from harness.scenarios import SCENARIOS
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

    from harness.model.variants import Variant

MINE = """
name = "mine"
summary = "a policy of mine"
cmdline = "umd_isolation=off lsm=mine"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def loaded(file: Path) -> Variant:
    """The variant that the file brings."""
    return load_variant_files([file], SMALL).variants["mine"]


def test_what_is_not_said_is_as_for_baseline(file: Path) -> None:
    file.write_text(MINE)
    corpus = load_variant_files([file], SMALL)
    assert corpus.variants.keys() - SMALL.variants.keys() == {"mine"}
    mine = corpus.variants["mine"]
    assert mine.cmdline == "umd_isolation=off lsm=mine"
    assert not mine.is_thread
    assert not mine.protects
    assert mine.origin == ("--variant-file", str(file))
    check_corpus(corpus)
    assert len(all_cells(corpus, variants=["mine"])) == len(corpus.scenarios)
    assert corpus.scenarios["ptrace_seize"].expected(mine) is Verdict.TAMPERED


def test_what_is_declared_for_the_variant_it_is_like_holds_for_it(file: Path) -> None:
    file.write_text(f'{MINE}like = "isolated"\n')
    mine, scenarios = loaded(file), SMALL.scenarios
    assert mine.protects
    assert scenarios["dev_mem"].expected(mine) is Verdict.TAMPERED
    assert scenarios["ptrace_seize"].expected(mine) is Verdict.HELD
    assert scenarios["dev_mem"].hole_on(mine) == scenarios["dev_mem"].holes["isolated"]


def test_what_is_declared_passes_through_another_file(file: Path) -> None:
    other = file.with_name("other.toml")
    file.write_text(f'{MINE}like = "isolated"\n')
    other.write_text(f'{MINE.replace("mine", "other")}like = "mine"\n')
    corpus = load_variant_files([file, other], SMALL)
    assert SMALL.scenarios["dev_mem"].expected(corpus.variants["other"]) is Verdict.TAMPERED


def test_what_is_n_a_for_the_one_is_n_a_for_the_other(file: Path) -> None:
    file.write_text(f'{MINE}like = "kthread"\nprotects = false\n')
    mine, scenarios = loaded(file), SMALL.scenarios
    assert scenarios["escape_openat"].expected(mine) is Verdict.NOT_APPLICABLE
    assert scenarios["ptrace_seize"].expected(mine) is Verdict.TAMPERED


@pytest.mark.parametrize("attack", ["selinux_setenforce", "smack_own_proc", "yama_scope_back"])
def test_an_attack_on_another_policy_is_n_a(attack: str, file: Path) -> None:
    file.write_text(MINE)
    expected = SCENARIOS[attack].expected
    assert expected(loaded(file)) is Verdict.NOT_APPLICABLE
    assert expected(VARIANTS["baseline"]) is not Verdict.NOT_APPLICABLE
    file.write_text(f'{MINE}like = "{attack.partition("_")[0]}"\n')
    mine = load_variant_files([file], SHIPPED).variants["mine"]
    assert expected(mine) is not Verdict.NOT_APPLICABLE


def test_the_shipped_file_is_sound() -> None:
    shipped = GUEST_IMAGES / "policies/tsem/variant.toml"
    tsem = load_variant_files([shipped], SMALL).variants["tsem"]
    assert tsem.needs == ("SECURITY_TSEM",)
    assert "tsem" in tsem.cmdline
    assert [text for _, text in tsem.writes] == ["enforce\n", "seal\n"]
    assert tsem.rehearsed
    assert tsem.policy
    assert tsem.policy.denials == ("untrusted_task",)
    assert tsem.rival is None
    load_scenario_files([shipped.with_name("own_model.py")], SMALL)


def test_a_policy_that_names_its_denials_still_has_its_claims(file: Path) -> None:
    file.write_text(f'{MINE}protects = true\ndenials = ["mine_denied"]\n')
    mine = loaded(file)
    assert mine.policy
    assert (mine.policy.denials, mine.is_measured) == (("mine_denied",), False)
    assert SMALL.scenarios["ptrace_seize"].expected(mine) is Verdict.HELD
    assert VARIANTS["selinux"].policy == VARIANTS["selinux"].rival


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name =", "it is not TOML: Invalid value"),
        (MINE.replace("summary", "# summary"), "summary is missing"),
        (
            MINE.replace("summary", "sumary"),
            "a variant has no field 'sumary'; did you mean summary?",
        ),
        (f"{MINE}sumary = 1\n", "a variant has no field 'sumary'; did you mean summary?"),
        (f'{MINE}lke = "isolated"\n', "a variant has no field 'lke'; did you mean like?"),
        (f"{MINE}[zzz]\na = 1\n", "a variant has no field 'zzz'; the fields are like, name,"),
        (MINE.replace("mine", "baseline", 1), "there is a variant baseline already"),
        (MINE.replace("mine", "My policy", 1), "name is not a name of small letters"),
        (f'{MINE}protects = "yes"\n', "protects is not true or false"),
        (f'{MINE}like = "strict"\n', "like = 'strict' names no variant"),
        (f"{MINE}like = []\n", "like = [] names no variant"),
        (f'{MINE}needs = "SECURITY"\n', "needs is not a list of kernel options"),
        (f'{MINE}needs = ["CONFIG x"]\n', "needs is not a list of kernel options"),
        (f'{MINE}writes = [["a/b", "c"]]\n', "writes is not a list of pairs"),
        (f'{MINE}writes = [["/a"]]\n', "writes is not a list of pairs"),
        (f'{MINE}writes = [["/a", "b\\nc"]]\n', "writes is not a list of pairs"),
        (f'{MINE}writes = [["/a\\n", "b"]]\n', "writes is not a list of pairs"),
        (f'{MINE}denials = ["a.b"]\n', "denials is not a list of at most 4 names of kernel"),
        (f"{MINE}denials = {list('abcde')}\n", "denials is not a list of at most 4 names"),
        (MINE.replace("a policy", "a\\npolicy"), "summary is not one line"),
    ],
)
def test_a_wrong_file_is_told_with_its_name(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(UserError) as error:
        load_variant_files([file], SMALL)
    assert f"{file}: {said}" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        load_variant_files([tmp_path / "absent.toml"], SMALL)


def test_a_variant_is_run_alone_and_named_in_the_run(file: Path) -> None:
    file.write_text(MINE)
    done = umd_harness(file.parent, "run", "--variant-file", "mine.toml", "-k", "ptrace_seize")
    assert done.returncode == 0, done.stderr
    header, lines = latest(file.parent)
    assert header["variant_files"] == ["mine.toml"]
    assert {line["variant"] for line in lines} == {"mine", "baseline"}
    table = umd_harness(file.parent, "table", "latest", "--variant", "mine").stdout
    assert "0 of 1" in table


def test_the_line_that_runs_a_cell_again_brings_its_variant(file: Path) -> None:
    file.write_text(f"{MINE}protects = true\n")
    lost = "{('mine', 'ptrace_seize'): outcome(Verdict.TAMPERED)}"
    arguments = ("run", "--variant-file", "mine.toml", "-k", "ptrace_seize")
    done = umd_harness(file.parent, *arguments, script=lost)
    assert done.returncode == 1
    again = "run --variant mine -k ptrace_seize --variant-file mine.toml"
    assert again in " ".join(done.stdout.split())


def test_a_wrong_file_is_one_line_of_the_command(file: Path) -> None:
    for arguments in (("run",), ("shell",), ("repeat", "-k", "nothing")):
        done = umd_harness(file.parent, *arguments, "--variant-file", "mine.toml")
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "mine.toml cannot be read" in done.stderr
