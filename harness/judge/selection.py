# SPDX-License-Identifier: GPL-2.0-only
"""The `-k` expression: words joined by and, or, not and parentheses, as in pytest.

A word matches the cells that have it anywhere in their keywords, in upper or lower case. The pytest
plugin gives the test of a cell the same keywords. So an expression chooses the same cells there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

from harness.host.errors import UserError
from harness.host.suggestion import hint_for
from harness.model.cell import Cell

if TYPE_CHECKING:
    from harness.scenarios.corpus import Corpus

Matcher = Callable[[Cell], bool]

_TOKEN = re.compile(r"[ \t]*([()]|[\w:+\-.\[\]\\/]+|\S|\s)")
_OPERATORS = ("and", "or", "not", "(", ")")
_WORD = re.compile(r"[\w:+\-.\[\]\\/]+")
_LIST = "`umd-harness list` prints all names"


def keywords(corpus: Corpus, cell: Cell) -> tuple[str, ...]:
    """Return the texts in which a word of an expression is looked for.

    The first is the name of the cell's test. `[` and `]` in it mark where the cell's id begins and
    ends. The others are the id of the attack's surface row, and its effects.
    """
    scenario = corpus.scenario(cell)
    effects = (effect.value for effect in scenario.effects)
    return (f"test_scenario[{cell.id}]", scenario.surface, *effects)


def exact_word(corpus: Corpus, cell: Cell) -> str:
    """Return a word that matches this cell and no other cell of the variant.

    It is the name of the scenario, unless that is a part of another cell's keywords.
    """
    every = _all_keywords(corpus, cell.line, cell.variant)
    own = _text(corpus, cell) if cell.scenario in corpus.scenarios else ""
    for word in (cell.scenario, f"{cell.variant}-{cell.scenario}]"):
        if every.count(word.lower()) == own.count(word.lower()):
            return word
    return f"[{cell.id}]"


def _all_keywords(corpus: Corpus, line: str, variant: str) -> str:
    """Return the keywords of all cells of a variant: to look through one text is fast."""
    key = (_all_keywords, line, variant)
    if key not in corpus.derived:
        cells = (Cell(line, variant, name) for name in corpus.scenarios)
        corpus.derived[key] = "".join(_text(corpus, cell) for cell in cells)
    return corpus.derived[key]


def _text(corpus: Corpus, cell: Cell) -> str:
    """Return a cell's keywords as lines. No word has a line break."""
    return "".join(f"{keyword.lower()}\n" for keyword in keywords(corpus, cell))


def select(corpus: Corpus, cells: Sequence[Cell], expression: str | None) -> list[Cell]:
    """Return the cells that the expression matches, in order. None matches all cells.

    Raises UserError if the expression has a syntax error or matches no cell: a run of no cells
    would look like a success.
    """
    if expression is None:
        return list(cells)
    matches = _Parser(expression, corpus).parse()
    chosen = [cell for cell in cells if matches(cell)]
    if not chosen:
        raise UserError(f"no cell matches -k {expression!r}", hint=_suggestion(expression, corpus))
    return chosen


def unknown_words(
    corpus: Corpus, line: str, expression: str | None, *, also: Iterable[str] = ()
) -> list[str]:
    """Return a warning about each word that matches no cell of the corpus on this line.

    `also` has further texts in which a word may be found. A word that matches only cells on other
    variants than those asked for has no warning: `-k 'ptrace and not kthread' --variant isolated`.
    """
    words = list(dict.fromkeys(_words(expression or "")))
    if not words:
        return []
    cells = (Cell(line, variant, name) for variant in corpus.variants for name in corpus.scenarios)
    known = {text.lower() for cell in cells for text in keywords(corpus, cell)}
    known.update(text.lower() for text in also)
    names = (*corpus.scenarios, *corpus.variants)
    return [
        f"nothing matches {word!r} in -k {expression!r}; {hint_for(word, names, otherwise=_LIST)}"
        for word in words
        if not any(word.lower() in text for text in known)
    ]


def _has(corpus: Corpus, cell: Cell, word: str) -> bool:
    return any(word.lower() in keyword.lower() for keyword in keywords(corpus, cell))


def _words(expression: str) -> list[str]:
    return [word for word in _WORD.findall(expression) if word not in _OPERATORS]


def _suggestion(expression: str, corpus: Corpus) -> str:
    names = (*corpus.scenarios, *corpus.variants)
    for word in _words(expression):
        if handler := corpus.on_other_handlers.get(word):
            return f"{word} attacks another handler: add --handler {handler}"
    near = [name for word in _words(expression) for name in get_close_matches(word, names, n=2)]
    return f"did you mean {' or '.join(near)}?" if near else _LIST


class _Parser:
    """A recursive descent parser. `not` binds tighter than `and`, and `and` tighter than `or`."""

    def __init__(self, expression: str, corpus: Corpus) -> None:
        self._expression = expression
        self._corpus = corpus
        self._tokens = list(self._read(expression))

    def parse(self) -> Matcher:
        matches = self._alternatives()
        if self._tokens:
            self._fail(f"unexpected {self._tokens[0]!r}")
        return matches

    def _read(self, expression: str) -> Iterator[str]:
        for token in _TOKEN.findall(expression.strip(" \t")):
            if token not in _OPERATORS and not _WORD.fullmatch(token):
                self._fail(f"unexpected {token!r}")
            yield token

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
        word, corpus = self._tokens.pop(0), self._corpus
        return lambda cell: _has(corpus, cell, word)

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
