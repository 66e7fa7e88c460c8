# SPDX-License-Identifier: GPL-2.0-only
"""Options as the fields of a frozen dataclass: one declaration gives the parser and the type.

Each function below declares one argument. Its return type is that of the value, so that mypy
checks the annotation of the field against the converter and the default:

    @dataclass(frozen=True)
    class Options:
        rounds: int = option("--rounds", convert=positive, default=5, metavar="N", help="...")

At run time the function returns a dataclass field, whose metadata hold the call of
`add_argument`. `add_options` makes the parser's arguments from these fields, and `read_options`
makes the dataclass from what the parser returns.
"""

# mypy: disable-error-code="no-any-return"
# What these functions return is a field; only the dataclass gives it the type.

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Sequence

    from _typeshed import DataclassInstance

_KEY = "declared"

T = TypeVar("T")
D = TypeVar("D")
Options = TypeVar("Options", bound="DataclassInstance")


class _Parser(Protocol):
    """A parser or one of its groups."""

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action: ...


@dataclass(frozen=True)
class _Argument:
    """One call of `add_argument`; a positional argument has no names."""

    names: tuple[str, ...]
    settings: dict[str, Any]

    def add_to(self, parser: _Parser, dest: str) -> None:
        if self.names:
            parser.add_argument(*self.names, dest=dest, **self.settings)
        else:
            parser.add_argument(dest, **self.settings)


@dataclass(frozen=True)
class _Group:
    """Options that are declared by a dataclass of their own, and stand together in the help."""

    title: str
    options: type[DataclassInstance]


def option(*names: str, convert: Callable[[str], T], default: D, metavar: str, help: str) -> T | D:
    """Declare an option with a value."""
    return _declared(names, default, type=convert, metavar=metavar, help=help)


def required(name: str, *, metavar: str, help: str) -> str:
    """Declare an option that has to be given."""
    return _declared((name,), None, required=True, type=str, metavar=metavar, help=help)


def optional(name: str, *, otherwise: str, metavar: str, help: str) -> str | None:
    """Declare an option whose value may be left out: `otherwise` stands for it then."""
    return _declared(
        (name,), None, nargs="?", const=otherwise, type=str, metavar=metavar, help=help
    )


def choice(name: str, *, choices: Iterable[str], default: D, help: str) -> str | D:
    """Declare an option with one of several values."""
    return _declared((name,), default, choices=tuple(choices), help=help)


def switch(name: str, *, help: str) -> bool:
    """Declare an option without a value."""
    return _declared((name,), False, action="store_true", help=help)


def repeated(name: str, *, convert: Callable[[str], T], metavar: str, help: str) -> tuple[T, ...]:
    """Declare an option that may be given several times."""
    return _declared(
        (name,), (), action="append", type=convert, metavar=metavar, help=f"{help}; may be repeated"
    )


def several(name: str, *, convert: Callable[[str], T], metavar: str, help: str) -> tuple[T, ...]:
    """Declare an option with one or more values, which may be given several times."""
    return _declared(
        (name,), (), action="extend", nargs="+", type=convert, metavar=metavar, help=help
    )


def positional(*, metavar: str, help: str, default: str | None = None) -> str:
    """Declare an argument. It has to be given if it has no default."""
    more = {} if default is None else {"nargs": "?"}
    return _declared((), default, metavar=metavar, help=help, **more)


def one_of(*, metavar: str, choices: Iterable[str], help: str) -> str:
    """Declare an argument that has to be given, with one of several values."""
    return _declared((), None, metavar=metavar, choices=tuple(choices), help=help)


def positionals(*, metavar: str, help: str) -> tuple[str, ...]:
    """Declare any number of arguments."""
    return _declared((), (), nargs="*", metavar=metavar, help=help)


def group(title: str, options: type[Options]) -> Options:
    """Declare the options of another dataclass, as a group of the help."""
    return cast("Options", field(metadata={_KEY: _Group(title, options)}))


def add_options(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup, options: type[DataclassInstance]
) -> None:
    """Add the arguments that the fields of the dataclass declare."""
    for one in fields(options):
        declared = one.metadata[_KEY]
        if isinstance(declared, _Group):
            add_options(parser.add_argument_group(declared.title), declared.options)
        else:
            declared.add_to(parser, one.name)


def read_options(options: type[Options], namespace: argparse.Namespace) -> Options:
    """Return the dataclass with the values that the parser found."""
    values: dict[str, Any] = {}
    for one in fields(options):
        declared = one.metadata[_KEY]
        if isinstance(declared, _Group):
            values[one.name] = read_options(declared.options, namespace)
        else:
            value = getattr(namespace, one.name)
            values[one.name] = tuple(value) if isinstance(value, list) else value
    return options(**values)


def options_of(options: type[Options], words: Sequence[str]) -> Options:
    """Return the options that the words give: the inverse of `words_of`."""
    from harness.cli.argument_parser import ArgumentParser

    parser = ArgumentParser(examples={})
    add_options(parser, options)
    return read_options(options, parser.parse_known_args(words)[0])


def words_of(options: DataclassInstance) -> list[str]:
    """Return the words of a command line that gives these options: those without their default.

    For options whose values are text, numbers or paths.
    """
    words: list[str] = []
    for one in fields(options):
        declared, value = one.metadata[_KEY], getattr(options, one.name)
        if isinstance(declared, _Group):
            words += words_of(value)
        elif isinstance(value, tuple):
            words += [word for each in value for word in (*declared.names[:1], str(each))]
        elif value != declared.settings["default"]:
            words += declared.names[:1] if value is True else (*declared.names[:1], str(value))
    return words


def _declared(names: tuple[str, ...], default: Any, **settings: Any) -> Any:
    # argparse appends to a copy of the default, and can do so with a list alone.
    given = [] if default == () else default
    return field(metadata={_KEY: _Argument(names, {"default": given, **settings})})
