# SPDX-License-Identifier: GPL-2.0-only
"""Selection, what a selected cell drags along, and the pool that runs them."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from expressions import CHOSEN, WRONG
from hypothesis import given
from hypothesis import strategies as st
from scripted_lab import ScriptedLab, outcome
from small_corpus import SMALL

from harness.host.errors import UserError
from harness.judge.cells import all_cells
from harness.judge.controls import closure, is_final, rests_on
from harness.judge.selection import exact_word, select, unknown_words
from harness.model.cell import Cell, Outcome
from harness.model.variants import VARIANTS
from harness.model.verdict import Verdict
from harness.run.pool import ROUNDS, Ended, Failed, Pool, Started, Stopping, run_rounds
from harness.scenarios import REFERENCES, SCENARIOS, Effect, Hole, scenario
from harness.scenarios.corpus import SHIPPED, Corpus
from harness.scenarios.registry import collecting


def cell(variant: str, name: str) -> Cell:
    return Cell("6.12", variant, name)


def chosen(expression: str, *variants: str, corpus: Corpus = SHIPPED) -> set[str]:
    found = select(corpus, all_cells(corpus, "6.12", variants), expression)
    return {one.id for one in found}


def test_every_attack_on_every_variant() -> None:
    cells = all_cells(SHIPPED)
    assert len(cells) == len(set(cells)) == len(SCENARIOS) * len(VARIANTS)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("isolatd", r"did you mean isolated\?"),
        ("x", "take one of: baseline, isolated, isolated-debug, kthread"),
    ],
)
def test_an_unknown_variant_is_named_with_the_nearest_or_all(name: str, hint: str) -> None:
    with pytest.raises(UserError, match=f"there is no variant '{name}'; {hint}$"):
        all_cells(SMALL, "6.12", [name])


def test_every_rerun_line_selects_its_cell_alone() -> None:
    for one in all_cells(SHIPPED):
        assert chosen(exact_word(SHIPPED, one), one.variant) == {one.id}


@pytest.mark.parametrize("name", ["twice_proc_mem_write", "proc_mem", "isolated-proc_mem_write"])
def test_a_rerun_line_selects_no_namesake(name: str) -> None:
    namesake = replace(SMALL.scenarios["proc_mem_write"], name=name)
    both = SMALL.with_scenarios({name: namesake})
    for one in (cell("isolated", "proc_mem_write"), cell("isolated", name)):
        assert chosen(exact_word(both, one), "isolated", corpus=both) == {one.id}
    assert exact_word(both, cell("isolated", "dev_mem")) == "dev_mem"


@pytest.mark.parametrize("expression", CHOSEN, ids=map(str, range(len(CHOSEN))))
def test_an_expression_chooses_as_in_pytest(expression: str) -> None:
    if CHOSEN[expression]:
        assert chosen(expression, corpus=SMALL) == CHOSEN[expression]
    else:
        with pytest.raises(UserError, match="no cell matches -k"):
            chosen(expression, corpus=SMALL)


def test_and_binds_tighter_than_or() -> None:
    assert chosen("nothing or ptrace_seize and kthread") == {
        *(f"6.12-{variant}-nothing" for variant in VARIANTS),
        "6.12-kthread-ptrace_seize",
    }


@pytest.mark.parametrize("expression", ["", " ", *WRONG])
def test_an_expression_that_cannot_be_read_says_so(expression: str) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        chosen(expression)


def test_nothing_selected_is_an_error_and_names_what_is_near() -> None:
    with pytest.raises(UserError, match="did you mean proc_mem_write"):
        chosen("proc_mem_wirte")


@pytest.mark.parametrize(
    ("expression", "unknown"),
    [
        ("nothing or nosuchname", ["nosuchname"]),
        ("nothing and not (nosuch or other)", ["nosuch", "other"]),
        ("nosuch and nosuch", ["nosuch"]),
        ("not KTHREAD and 6.12 and integrity and proc-mem-write and [6.12-isolated-dev_mem]", []),
        ("6.1-isolated or 7.2", ["6.1-isolated", "7.2"]),
        (None, []),
        ("", []),
    ],
)
def test_each_word_that_matches_nothing_is_named(
    expression: str | None, unknown: list[str]
) -> None:
    said = unknown_words(SMALL, "6.12", expression)
    assert [warning.split("'")[1] for warning in said] == unknown


def test_an_unknown_word_has_the_name_that_is_most_like_it() -> None:
    (said,) = unknown_words(SMALL, "6.12", "nothing or kthraed")
    assert said.endswith("; did you mean kthread?")
    (said,) = unknown_words(SMALL, "6.12", "nothing or xyz or TEST_one", also=["test_ONE_two"])
    assert said.endswith("; `umd-harness list` prints all names")


@given(st.text(alphabet="()abn ordt", max_size=20))
def test_any_text_selects_or_is_a_user_error(text: str) -> None:
    with suppress(UserError):
        assert select(SHIPPED, all_cells(SHIPPED), text)


def test_a_cell_brings_its_control_and_both_variants_references() -> None:
    assert {one.id for one in closure(SHIPPED, [cell("isolated", "ptrace_seize")])} == {
        *(f"6.12-{v}-{r}" for v in ("isolated", "baseline") for r in REFERENCES),
        "6.12-baseline-ptrace_seize",
        "6.12-isolated-ptrace_seize",
    }


def test_closure_is_complete_and_in_order() -> None:
    for one in all_cells(SHIPPED):
        needed = closure(SHIPPED, [one])
        assert all(
            is_final(SHIPPED, any_, dict.fromkeys(needed, outcome(Verdict.HELD))) for any_ in needed
        )
    order = closure(SHIPPED, all_cells(SHIPPED))
    references = [one.scenario in REFERENCES for one in order]
    assert references == sorted(references, reverse=True)
    for place, one in enumerate(order):
        if one.scenario not in REFERENCES:
            assert set(rests_on(SHIPPED, one)) <= set(order[:place])


def own(**declared: Any) -> Corpus:
    """The corpus with a scenario `odd`, of a user's own."""
    with collecting() as found:

        @scenario(effect=Effect.INTEGRITY, surface="own", answers=(), **declared)
        def odd(attacker: object, handler: object) -> None:
            """Declare what no scenario should."""

    return SHIPPED.with_scenarios(found)


def test_a_control_that_is_no_variant_is_told_before_anything_runs() -> None:
    with pytest.raises(UserError, match="odd names the unknown variant 'bare'"):
        all_cells(own(control="bare"))


def test_not_applicable_is_a_variant_and_a_reason() -> None:
    with pytest.raises(UserError, match="odd names the unknown variant 'kthraed'"):
        all_cells(own(not_applicable={"kthraed": "why"}))
    with pytest.raises(UserError, match="odd is n/a on kthread without a reason"):
        all_cells(own(not_applicable={"kthread": " "}))


@pytest.mark.parametrize(
    "hole", [Hole(Verdict.HELD, "why"), Hole(Verdict.ERROR, "why"), Hole(Verdict.LEAKED, " ")]
)
def test_a_hole_is_something_lost_with_a_reason(hole: Hole) -> None:
    with pytest.raises(UserError, match="odd has a hole on isolated without a loss or a reason"):
        all_cells(own(holes={"isolated": hole}))


def test_the_pool_runs_each_cell_once_on_several_threads() -> None:
    together = threading.Barrier(2, timeout=60)

    class Both(ScriptedLab):
        def _run(self, cell: Cell, *, fresh: bool) -> Outcome:
            together.wait()
            return super()._run(cell, fresh=fresh)

    cells = closure(SHIPPED, all_cells(SHIPPED))[:6]
    lab = Both()
    events = list(Pool(cells, corpus=SHIPPED, lab=lab, jobs=2).events())
    assert [event.cell for event in events if isinstance(event, Started)] == cells
    assert {event.cell for event in events if isinstance(event, Ended)} == set(cells)
    assert sorted(lab.ran, key=cells.index) == cells


def test_a_machine_with_several_cpus_takes_as_many_places() -> None:
    lock, running, seen = threading.Lock(), set[Cell](), list[set[Cell]]()
    together = threading.Barrier(2, timeout=60)

    class Watched(ScriptedLab):
        def _run(self, cell: Cell, *, fresh: bool) -> Outcome:
            with lock:
                running.add(cell)
                seen.append(set(running))
            if cell in cells[:2]:  # on a busy host, one may end before the other starts
                together.wait()
            try:
                return super()._run(cell, fresh=fresh)
            finally:
                with lock:
                    running.discard(cell)

    wide = {one.name for one in SCENARIOS.values() if one.cpus > 1}
    cells = [cell("baseline", name) for name in SCENARIOS if name not in wide][:8]
    cells[4:4] = [cell("baseline", name) for name in sorted(wide)]
    list(Pool(cells, corpus=SHIPPED, lab=Watched(takes=0.01), jobs=2).events())
    assert any(len(at_once) == 2 for at_once in seen)
    assert all(len(at_once) == 1 for at_once in seen if wide & {one.scenario for one in at_once})


def test_a_defect_in_one_cell_is_that_cells_error() -> None:
    lab = ScriptedLab({("isolated", "ptrace_seize"): ZeroDivisionError("of all things")})
    ended = [
        e
        for e in Pool(all_cells(SHIPPED), corpus=SHIPPED, lab=lab, jobs=2).events()
        if isinstance(e, Ended)
    ]
    assert len(ended) == len(all_cells(SHIPPED))
    bad = next(e.outcome for e in ended if e.cell == cell("isolated", "ptrace_seize"))
    assert bad.verdict is Verdict.ERROR
    assert "ZeroDivisionError: of all things" in bad.detail
    assert "scripted_lab.py" in bad.traceback


@pytest.mark.parametrize(
    ("variant", "gave", "rounds", "reported"),
    [
        ("baseline", (Verdict.HELD, Verdict.TAMPERED), 2, Verdict.TAMPERED),  # luck
        ("baseline", (Verdict.DISRUPTED, Verdict.TAMPERED), 2, Verdict.TAMPERED),
        ("baseline", (Verdict.HELD,) * 3, 3, Verdict.HELD),  # not a hole any more: told as such
        ("baseline", (Verdict.HELD, Verdict.ERROR), 2, Verdict.ERROR),
        ("baseline", (Verdict.TAMPERED,), 1, Verdict.TAMPERED),
        ("isolated", (Verdict.HELD,), 1, Verdict.HELD),
        ("isolated", (Verdict.TAMPERED,), 1, Verdict.TAMPERED),  # worse is never tried away
        ("isolated", (Verdict.ERROR,), 1, Verdict.ERROR),
    ],
)
def test_an_attack_that_got_less_than_it_should_is_made_again(
    variant: str, gave: tuple[Verdict, ...], rounds: int, reported: Verdict
) -> None:
    attacked = cell(variant, "proc_mem_write")

    class Lucky(ScriptedLab):
        def _run(self, cell: Cell, *, fresh: bool) -> Outcome:
            super()._run(cell, fresh=fresh)
            return outcome(gave[len(self.ran) - 1])

    result = run_rounds(SHIPPED, Lucky(), attacked)
    assert (result.verdict, result.rounds) == (reported, rounds)


@pytest.mark.parametrize(
    ("gave", "rounds", "reported"),
    [
        ((Verdict.HELD,) * 2, 2, Verdict.HELD),
        ((Verdict.HELD, Verdict.TAMPERED), 2, Verdict.TAMPERED),
        ((Verdict.DISRUPTED, Verdict.HELD), 2, Verdict.DISRUPTED),  # no retry undoes a loss
        ((Verdict.HELD, Verdict.ERROR), 2, Verdict.ERROR),
        ((Verdict.TAMPERED,), 1, Verdict.TAMPERED),  # it has won, as its control has
        ((Verdict.ERROR,), 1, Verdict.ERROR),
    ],
)
def test_a_cell_has_as_many_rounds_as_its_control_took(
    gave: tuple[Verdict, ...], rounds: int, reported: Verdict
) -> None:
    control, attacked = cell("baseline", "proc_mem_write"), cell("isolated", "proc_mem_write")
    script = {control: [Verdict.HELD, Verdict.TAMPERED], attacked: list(gave)}
    attacks = threading.Event()

    class Lucky(ScriptedLab):
        def _run(self, cell: Cell, *, fresh: bool) -> Outcome:
            super()._run(cell, fresh=fresh)
            if cell == control:
                assert attacks.wait(60)  # so that the control wins after the cell's first round
            else:
                attacks.set()
            return outcome(script[cell].pop(0))

    pool = Pool([control, attacked], corpus=SHIPPED, lab=Lucky(), jobs=2)
    ended = {event.cell: event.outcome for event in pool.ended()}
    assert ended[control].rounds == 2
    assert (ended[attacked].verdict, ended[attacked].rounds) == (reported, rounds)
    known = {control: ended[control]}
    script[attacked] = list(gave)
    (again,) = Pool([attacked], corpus=SHIPPED, lab=Lucky(), jobs=1, known=known).ended()
    assert (again.outcome.verdict, again.outcome.rounds) == (reported, rounds)


def test_half_an_attack_is_made_again_and_a_reference_is_not() -> None:
    half = replace(outcome(Verdict.TAMPERED), carried_out=False)
    lab = ScriptedLab(
        {
            ("baseline", "proc_mem_write"): half,
            ("baseline", "host_tamper"): outcome(Verdict.HELD),
        }
    )
    assert run_rounds(SHIPPED, lab, cell("baseline", "proc_mem_write")).rounds == ROUNDS
    assert run_rounds(SHIPPED, lab, cell("baseline", "host_tamper")).rounds == 1


def test_a_user_error_ends_the_pool_and_keeps_what_was_found() -> None:
    cells = closure(SHIPPED, all_cells(SHIPPED))
    broken = cells[4]
    lab = ScriptedLab({(broken.variant, broken.scenario): UserError("no room", hint="free some")})
    events = list(Pool(cells, corpus=SHIPPED, lab=lab, jobs=1).events())
    assert [e.cell for e in events if isinstance(e, Ended)] == cells[:4]
    assert [str(e.error) for e in events if isinstance(e, Failed)] == ["no room; free some"]


def test_stop_ends_a_wait_for_several_places() -> None:
    wide = next(one.name for one in SCENARIOS.values() if one.cpus > 1)
    names = ["nothing", "host_tamper", wide, "proc_mem_write", "ptrace_seize"]
    stopped = threading.Event()

    class Waiting(ScriptedLab):
        """Whose second cell ends after the stop."""

        def _run(self, cell: Cell, *, fresh: bool) -> Outcome:
            assert cell.scenario != "host_tamper" or stopped.wait(60)
            return super()._run(cell, fresh=fresh)

    cells = [cell("baseline", name) for name in names]
    pool = Pool(cells, corpus=SHIPPED, lab=Waiting(), jobs=2)
    ended = 0

    def go() -> None:
        nonlocal ended
        for event in pool.events():
            if isinstance(event, Started) and event.cell.scenario == "host_tamper":
                pool.stop()
                stopped.set()
            ended += isinstance(event, Ended)

    caller = threading.Thread(target=go, daemon=True)
    caller.start()
    caller.join(timeout=60)
    assert not caller.is_alive()
    assert ended == 2


def test_stop_lets_running_cells_end_and_starts_no_other() -> None:
    stopped = threading.Event()

    class Waiting(ScriptedLab):
        """Whose third cell, and each later one, ends after the stop."""

        def _run(self, cell: Cell, *, fresh: bool) -> Outcome:
            found = super()._run(cell, fresh=fresh)
            assert len(self.ran) < 3 or stopped.wait(60)
            return found

    pool = Pool(closure(SHIPPED, all_cells(SHIPPED)), corpus=SHIPPED, lab=Waiting(), jobs=2)
    started, ended, told = [], [], False
    for event in pool.events():
        if isinstance(event, Started):
            started.append(event.cell)
            if len(started) == 3:
                pool.stop()
                stopped.set()
        elif isinstance(event, Ended):
            ended.append(event.cell)
        told |= isinstance(event, Stopping)
    assert told
    assert pool.stopped
    assert set(started) == set(ended)
    assert len(ended) <= 4, "two that ended before the stop, and two that ran"
