# SPDX-License-Identifier: GPL-2.0-only
"""What a search without a defence came to, and the variants that it searches."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from msgspec import structs

from harness.brought.options import Brought, corpus_with
from harness.campaign.finding import Finding
from harness.campaign.kept import BatchEnd
from harness.campaign.program import Call, Number, Pid, Program
from harness.cli.main import main
from harness.model.verdict import Verdict
from harness.results.defence_summary import (
    Alone,
    DefenceSummary,
    Rediscovered,
    SearchResult,
    read_defences,
    write_defences,
)
from harness.studies.defences import DEFENCES
from harness.studies.rediscovery import campaign_digest, markdown, summary_of, variant_files

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

KILL = Program((Call("kill", (Pid("handler"), Number(9))),))
MEASURED = Rediscovered(
    line="6.12", minutes=60, jobs=2, has_seeds=False, without={"caps": SearchResult(2, 0, 60.0)}
)


def finding(*, confirmed: int = 3, also_lost: tuple[str, ...] = ()) -> Finding:
    return Finding(
        KILL,
        Verdict.DISRUPTED,
        "",
        "restarted 1 x",
        ("availability",),
        confirmed,
        Verdict.DISRUPTED if also_lost else Verdict.HELD,
        also_lost,
    )


def batch(number: int, *found: Finding) -> BatchEnd:
    return BatchEnd(number, 32, "held", "", 60.0, findings=found)


def test_programs_and_time_count_up_to_the_finding_in_the_order_of_the_batches() -> None:
    ended = [batch(2), batch(1, finding()), batch(0)]
    found = SearchResult(64, 0, 1.0, "disrupted", ("kill(handler)",))
    assert summary_of(ended, jobs=2, seconds=60) == found


def test_a_loss_with_all_defences_is_not_found() -> None:
    assert not summary_of(
        [batch(0, finding(also_lost=("availability",)))], jobs=1, seconds=60
    ).calls


def test_a_loss_that_does_not_come_again_each_time_is_not_found() -> None:
    nothing = SearchResult(32, 0, 1.0)
    assert summary_of([batch(0, finding(confirmed=2))], jobs=1, seconds=60) == nothing


def test_what_is_found_after_the_time_is_not_found() -> None:
    assert not summary_of([batch(0, finding())], jobs=1, seconds=59).calls


def test_programs_without_a_conclusion_are_counted_apart() -> None:
    lost = structs.replace(batch(1), verdict="error")
    assert summary_of([batch(0), lost], jobs=1, seconds=600) == SearchResult(32, 32, 2.0)


def test_other_seeds_are_another_study() -> None:
    digests = {campaign_digest({"oom": seeds}) for seeds in [(), (KILL,), (KILL, KILL)]}
    assert len(digests) == 3


def test_the_variants_are_isolated_without_one_defence(tmp_path: Path) -> None:
    files = variant_files(tmp_path, DEFENCES)
    corpus = corpus_with(Brought(), tuple(files.values()))
    for defence, path in files.items():
        variant = corpus.variants[tomllib.loads(path.read_text())["name"]]
        assert not variant.has_defence(defence)
        assert all(variant.has_defence(other) for other in DEFENCES if other != defence)


def test_the_table_is_in_the_order_of_the_defences() -> None:
    text = markdown(
        {
            "oom": SearchResult(320, 32, 10.0),
            "access": SearchResult(64, 0, 1.0, "leaked", ("a", "b")),
        }
    )
    assert text.splitlines()[2:] == [
        "| `access` | leaked: `a`, `b` | 64 | 0 | 1.0 |",
        "| `oom` | nothing | 320 | 32 | 10.0 |",
        "",
        "Each of 2 defences was left out by itself. Campaigns found a way in for 1 of them.",
    ]


def test_seeds_without_knowing_what_wins_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["defences", "--rediscover", "1h", "--start-from", "latest", "--results", str(tmp_path)]
    assert main(argv) == 2
    assert "--start-from needs the measured attacks that win without" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_seeds_that_do_not_exist_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.json"
    won = {defence: {"kill": "disrupted"} for defence in DEFENCES}
    alone = Alone(line="6.12", image="abcd", attacks=("kill",), won=won)
    write_defences(kept, DefenceSummary(alone=alone))
    argv = ["defences", "--rediscover", "1h", "--start-from", "gone", "--output", str(kept)]
    assert main([*argv, "--results", str(tmp_path)]) == 2
    assert "there is no run gone" in capsys.readouterr().err


def test_results_of_the_same_kind_are_added_to() -> None:
    other = MEASURED.with_result("oom", SearchResult(3, 0, 1.0, seed_run="another"))
    assert list(other.without) == ["caps", "oom"]
    assert other.can_add_to(MEASURED)
    assert not structs.replace(other, minutes=10).can_add_to(MEASURED)


def test_results_of_other_conditions_are_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.json"
    write_defences(kept, DefenceSummary(rediscovered=MEASURED))
    argv = ["defences", "--rediscover", "10min", "--jobs", "2", "--output", str(kept)]
    assert main([*argv, "--results", str(tmp_path)]) == 2
    assert "has campaigns on 6.12, of 60 minutes with --jobs 2, without" in capsys.readouterr().err
    assert read_defences(kept).rediscovered == MEASURED
