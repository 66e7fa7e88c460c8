# SPDX-License-Identifier: GPL-2.0-only
"""The `-k` expression: words joined by and, or, not and parentheses, as in pytest.

A word that is the whole name of a scenario, variant, line or cell selects exactly that one. So the
command that reruns a cell selects no cell with a longer name. Any other word selects the cells with
the word in their id or in their scenario's surface id. Case is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

from harness.host.errors import UserError
from harness.model.cell import Cell

if TYPE_CHECKING:
    from harness.scenarios.corpus import Corpus

Matcher = Callable[[Cell], bool]

_TOKEN = re.compile(r"\s*([()]|[^\s()]+)")
_OPERATORS = ("and", "or", "not", "(", ")")


def select(corpus: Corpus, cells: Sequence[Cell], expression: str | None) -> list[Cell]:
    """Return the cells that the expression matches, in order. None matches all cells.

    Raises UserError if the expression has a syntax error or matches no cell: a run of no cells
    would look like a success.
    """
    if expression is None:
        return list(cells)
    matches = _Parser(expression, corpus, cells).parse()
    chosen = [cell for cell in cells if matches(cell)]
    if not chosen:
        raise UserError(f"no cell matches -k {expression!r}", hint=_suggestion(expression, corpus))
    return chosen


def _suggestion(expression: str, corpus: Corpus) -> str:
    words = [word for word in _TOKEN.findall(expression) if word not in _OPERATORS]
    near = [name for word in words for name in get_close_matches(word, corpus.scenarios, n=2)]
    return f"did you mean {' or '.join(near)}?" if near else "`umd-harness list` prints all names"


class _Parser:
    """A recursive descent parser. `not` binds tighter than `and`, and `and` tighter than `or`."""

    def __init__(self, expression: str, corpus: Corpus, cells: Sequence[Cell]) -> None:
        self._expression = expression
        self._corpus = corpus
        self._tokens = _TOKEN.findall(expression)
        self._names = {name for cell in cells for name in _names(cell)} | set(corpus.scenarios)

    def parse(self) -> Matcher:
        matches = self._alternatives()
        if self._tokens:
            self._fail(f"unexpected {self._tokens[0]!r}")
        return matches

    def _alternatives(self) -> Matcher:
        parts = [self._conjunction()]
        while self._take("or"):
            parts.append(self._conjunction())
        return lambda cell: any(part(cell) for part in parts)

    def _conjunction(self) -> Matcher:
        parts = [self._term()]
        while self._take("and"):
            parts.append(self._term())
        return lambda cell: all(part(cell) for part in parts)

    def _term(self) -> Matcher:
        if self._take("not"):
            inner = self._term()
            return lambda cell: not inner(cell)
        if self._take("("):
            inner = self._alternatives()
            if not self._take(")"):
                self._fail("a parenthesis is not closed")
            return inner
        if not self._tokens or self._tokens[0] in _OPERATORS:
            self._fail("a word is missing")
        return self._word(self._tokens.pop(0))

    def _word(self, word: str) -> Matcher:
        if word in self._names:
            return lambda cell: word in _names(cell)
        part, corpus = word.lower(), self._corpus
        return lambda cell: part in f"{cell.id} {corpus.scenario(cell).surface}".lower()

    def _take(self, token: str) -> bool:
        found = bool(self._tokens) and self._tokens[0] == token
        if found:
            self._tokens.pop(0)
        return found

    def _fail(self, why: str) -> NoReturn:
        raise UserError(
            f"-k {self._expression!r} cannot be read: {why}",
            hint="for example: -k 'ptrace and not kthread'",
        )


def _names(cell: Cell) -> tuple[str, ...]:
    return (cell.scenario, cell.variant, cell.line, cell.id)
