# SPDX-License-Identifier: GPL-2.0-only
"""Files of the user's own: what they may import, and how what is wrong with one is told."""

from __future__ import annotations

import re
import runpy
import sys
import warnings
from dataclasses import fields
from typing import TYPE_CHECKING, get_args

import pytest
from small_corpus import changed

from harness.brought.options import Brought, brought_or_all, not_run, with_brought
from harness.brought.scenario_files import load_scenario_files
from harness.host.errors import UserError
from harness.host.paths import CHECKOUT
from harness.model.cell import Cell
from harness.scenarios.corpus import SHIPPED
from harness.scenarios.declaration_checks import FORMS, TARGETS
from harness.scenarios.ids import ANSWERS
from harness.scenarios.registry import Declaration, NotCollected, Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.scenarios import Scenario

REGISTER = """
from harness.scenarios import Effect, scenario

@scenario(effect=Effect.INTEGRITY, surface="{row}", answers=())
def {name}(attacker, handler):
    "Do what I think of."
"""


@pytest.fixture(autouse=True)
def imports() -> Iterator[None]:
    """The way modules are found, as it was."""
    modules, path = dict(sys.modules), list(sys.path)
    yield
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]
    sys.path[:] = path


def file(folder: Path, code: str, *, name: str = "mine", row: str = "own") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(code + REGISTER.format(name=name, row=row))
    return path


def loaded(*paths: Path) -> dict[str, Scenario]:
    """The scenarios that the files declare."""
    found = load_scenario_files(paths, SHIPPED).scenarios
    return {name: found[name] for name in found.keys() - SHIPPED.scenarios.keys()}


def told(path: Path) -> str:
    with pytest.raises(UserError) as error:
        loaded(path)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("statement", ["from .beside import ROW", "from beside import ROW"])
def test_it_may_import_what_lies_beside_it(tmp_path: Path, statement: str) -> None:
    (tmp_path / "beside.py").write_text("ROW = 'kcmp'\n")
    path = file(tmp_path, f"{statement}\n")
    path.write_text(path.read_text().replace('"own"', "ROW"))
    mine = loaded(path)["mine"]
    assert mine.surface == "kcmp"
    assert mine.origin == ("--scenario", str(path))


def test_what_lies_beside_it_hides_nothing_installed(tmp_path: Path) -> None:
    (tmp_path / "errno.py").write_text("raise OSError\n")
    (tmp_path / "wave.py").write_text("raise OSError\n")  # which nobody has imported yet
    assert "wave" not in sys.modules
    loaded(file(tmp_path, "import errno, wave\n"))


def test_two_files_of_one_name_have_their_own_beside_them(tmp_path: Path) -> None:
    rows = {"a": "kcmp", "b": "pidfd-getfd"}
    for folder, row in rows.items():
        path = file(tmp_path / folder, "from .beside import ROW\n")
        text = path.read_text().replace('"own"', "ROW").replace("def mine", f"def {folder}_own")
        path.write_text(text)
        (path.parent / "beside.py").write_text(f"ROW = {row!r}\n")
    found = loaded(tmp_path / "a" / "mine.py", tmp_path / "b" / "mine.py")
    assert {name: one.surface for name, one in found.items()} == {
        f"{folder}_own": row for folder, row in rows.items()
    }


def test_an_import_while_the_attack_runs_still_finds_it(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("ROW = 'kcmp'\n")
    path = file(tmp_path, "")
    path.write_text(path.read_text() + "    from .beside import ROW\n    return ROW\n")
    assert loaded(path)["mine"].attack(None, None) == "kcmp"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "line", "said"),
    [
        ("x = 1\nraise RuntimeError('no')\n", 2, "RuntimeError: no; correct the scenario file"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3; "),
        ("x = 1\ndef f(:\n", 2, "SyntaxError: invalid syntax; "),
        ("from . import absent\n", 1, "ImportError: cannot import name 'absent'"),
        ("from ... import absent\n", 1, "ImportError: attempted relative import beyond"),
        (REGISTER.format(name="nothing", row="own"), 4, "there is a scenario nothing already; "),
        (
            "from pathlib import Path\nfrom harness.brought.attack_program import attack_program\n"
            "attack_program(Path('/absent'))\n",
            3,
            "there is no attack program /absent: No such file or directory; name a static",
        ),
    ],
    ids=["raises", "leaves", "syntax", "import", "beyond", "taken", "program"],
)
def test_what_is_wrong_is_told_by_its_line(tmp_path: Path, code: str, line: int, said: str) -> None:
    path = file(tmp_path, code)
    assert told(path).startswith(f"{path}:{line}: {said}")


@pytest.mark.parametrize(
    ("code", "line"), [("x = 1\n1 / 0\n", 2), ("def f(:\n", 1)], ids=["raises", "syntax"]
)
def test_what_is_wrong_beside_it_is_told_by_that_files_line(
    tmp_path: Path, code: str, line: int
) -> None:
    (tmp_path / "beside.py").write_text(code)
    path = file(tmp_path, "import beside\n")
    assert told(path).startswith(f"{tmp_path / 'beside.py'}:{line}: ")


def test_a_file_that_declares_nothing_or_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    assert "empty.py declares no scenario; decorate a function" in told(tmp_path / "empty.py")
    assert "there is no scenario file" in told(tmp_path / "absent.py")
    (tmp_path / "mine.txt").write_text("")
    assert "is not a Python file" in told(tmp_path / "mine.txt")
    assert "is not a Python file" in told(tmp_path)
    (tmp_path / "binary.py").write_bytes(b"\0\xff")
    assert "binary.py" in told(tmp_path / "binary.py")


SOUND = {"effect": "Effect.INTEGRITY", "surface": '"own"', "answers": "()"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"effect": '"confidentiality"'},
            "effect='confidentiality' is not an Effect, such as Effect.INTEGRITY; "
            "write Effect.CONFIDENTIALITY",
        ),
        ({"effect": "7"}, "effect=7 is not an Effect"),
        ({"also": "Effect.STEP"}, "also=<Effect.STEP: 'step'> is not a tuple of effects"),
        (
            {"surface": '"proc-mem-wirte"'},
            "surface has the unknown id 'proc-mem-wirte'; did you mean 'proc-mem-write'?",
        ),
        (
            {"surface": '"zzz"'},
            "surface has the unknown id 'zzz'; take an id of harness/scenarios/surface.toml, or",
        ),
        ({"surface": "None"}, "surface=None is not a text"),
        (
            {"answers": '("C9",)'},
            "answers has the unknown id 'C9'; take ids of docs/reference/requirements.md",
        ),
        ({"answers": '"C2"'}, "answers='C2' is not a tuple of texts"),
        ({"refused": '"EPERM"'}, "refused='EPERM' is not a tuple of errnos, such as (EPERM,)"),
        ({"refused": "1"}, "refused=1 is not a tuple of errnos"),
        ({"refused": '("EPERM",)'}, "refused=('EPERM',) is not a tuple of errnos"),
        ({"no_target": "(-3,)"}, "no_target=(-3,) is not a tuple of errnos"),
        ({"since": '"six"'}, "since='six' is not a version of Linux"),
        ({"target": '"handlr"'}, "target='handlr' is not one of handler, start, system"),
        ({"holes": '{"isolated": "leaked"}'}, "holes={'isolated': 'leaked'} is not a dictionary"),
        ({"holes": '{"isolated": Hole("leaked", "so", since="six")}'}, "holes={'isolated': Hole("),
        ({"lockdown": '{"kill": "EPERM"}'}, "lockdown={'kill': 'EPERM'} is not a dictionary"),
        ({"seconds": '"5"'}, "seconds='5' is not a number of seconds above 0"),
        ({"inside": '"no"'}, "inside='no' is not True or False"),
        ({"prepare": "print()"}, ""),
        ({"prepare": "lambda attacker: None"}, "prepare=<function <lambda> at "),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_field_that_cannot_be_used_is_told_at_load(
    tmp_path: Path, fields: dict[str, str], said: str
) -> None:
    given = ", ".join(f"{name}={value}" for name, value in {**SOUND, **fields}.items())
    path = tmp_path / "mine.py"
    path.write_text(
        "from harness.scenarios import Effect, scenario; from harness.model.hole import Hole\n\n"
        f"@scenario({given})\ndef mine(attacker, handler):\n    'Do what I think of.'\n"
    )
    if said:
        assert told(path).startswith(f"{path}:3: scenario mine: {said}")
    else:
        loaded(path)


@pytest.mark.parametrize(
    ("decorator", "function", "said"),
    [
        ("(efect=1)", "mine(a, b)", "a scenario has no field 'efect'; did you mean effect?"),
        ("(zzz=1)", "mine(a, b)", "a scenario has no field 'zzz'; the fields are effect, surface,"),
        ("(effect=Effect.STEP)", "mine(a, b)", "the scenario does not declare surface, answers; "),
        ("", "mine(a, b)", "@scenario takes named fields alone; write @scenario(effect="),
        ("(**SOUND)", "mine()", "scenario mine: an attack takes two arguments, not (); write def "),
        ("(**SOUND)", "mine(a, b, c)", "scenario mine: an attack takes two arguments, not (a, b,"),
        ("(**SOUND)", "mine(*, a, b)", "scenario mine: an attack takes two arguments, not (*, a,"),
        ("(**SOUND)", "mine(a, b=0)", ""),
    ],
    ids=["misspelt", "unknown", "missing", "bare", "none", "three", "named", "sound"],
)
def test_what_is_no_declaration_or_no_attack_is_told_at_load(
    tmp_path: Path, decorator: str, function: str, said: str
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from harness.scenarios import Effect, scenario\n"
        "SOUND = dict(effect=Effect.STEP, surface='own', answers=())\n"
        f"@scenario{decorator}\ndef {function}:\n    'Do what I think of.'\n"
    )
    if said:
        assert told(path).startswith(f"{path}:3: {said}")
    else:
        loaded(path)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("class mine:\n    'A class.'\n", "mine is not a function; decorate a function"),
        ("def mine(a, b):\n    pass\n", "scenario mine has no docstring; add one"),
        ("def mine(a, b):\n    ' '\n", "scenario mine has no docstring; add one"),
        ("async def mine(a, b):\n    'Wait.'\n", "scenario mine: an attack is no coroutine and"),
        ("def mine(a, b):\n    'Wait.'\n    yield\n", "scenario mine: an attack is no coroutine"),
    ],
    ids=["class", "undocumented", "blank", "coroutine", "generator"],
)
def test_what_is_no_function_that_runs_is_told_at_load(
    tmp_path: Path, code: str, said: str
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from harness.scenarios import Effect, scenario\n"
        f"@scenario(effect=Effect.STEP, surface='own', answers=())\n{code}"
    )
    assert told(path).startswith(f"{path}:2: {said}")


def test_a_program_with_a_field_that_cannot_be_used_is_told_by_the_users_line(
    tmp_path: Path,
) -> None:
    (tmp_path / "attack.c").write_text(
        '#include "bare.h"\nint main(int c, char **v, char **e) { return 1; }\n'
    )
    path = tmp_path / "mine.py"
    path.write_text(
        "from pathlib import Path\n"
        "from harness.brought.attack_program import attack_program\n"
        "attack_program(Path(__file__).with_name('attack.c'), efect=1)\n"
    )
    assert told(path).startswith(f"{path}:3: a scenario has no field 'efect'; did you mean effect?")


def test_every_field_has_its_form() -> None:
    assert list(FORMS) == [field.name for field in fields(Declaration)]
    assert get_args(Target) == TARGETS


def test_the_ids_are_those_of_the_documentation() -> None:
    page = (CHECKOUT / "docs/reference/requirements.md").read_text()
    cells = re.findall(r"^\| ([A-Z]\d+(?:, [A-Z]\d+)*) \|", page, re.MULTILINE)
    assert {name for cell in cells for name in cell.split(", ")} == ANSWERS


def test_an_attack_in_a_file_that_is_not_loaded_is_told(tmp_path: Path) -> None:
    path = file(tmp_path, "")
    with pytest.warns(NotCollected, match="mine will not run, because this file") as warned:
        runpy.run_path(str(path))
    assert (warned[0].filename, warned[0].lineno) == (str(path), 4)
    loaded(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runpy.run_path(str(path))  # as a test does that imports the file once more


def test_a_file_that_declares_a_name_twice(tmp_path: Path) -> None:
    path = file(tmp_path, REGISTER.format(name="mine", row="own"))
    assert told(path).startswith(f"{path}:10: scenario mine is declared twice; give ")


def test_nothing_brought_adds_nothing() -> None:
    assert Brought().added_to(SHIPPED) is SHIPPED
    assert Brought().words() == []


def test_what_is_brought_runs_alone_unless_an_expression_chooses() -> None:
    cells = [Cell("6.12", "isolated", "ptrace_seize"), Cell("6.12", "isolated", "dev_mem")]
    brought = changed(SHIPPED, "dev_mem", origin=("--scenario", "mine.py"))
    assert brought_or_all(cells, brought, None) == cells[1:]
    assert brought_or_all(cells, SHIPPED, None) == cells
    assert brought_or_all(cells, brought, "ptrace_seize") == cells


def test_a_file_of_which_an_expression_matches_nothing_runs_beside_the_matches() -> None:
    names = ("ptrace_seize", "dev_mem", "proc_mem_write")
    mine = changed(SHIPPED, "dev_mem", origin=("--attack", "mine.c"))
    cells = [Cell("6.12", variant, name) for variant in ("baseline", "isolated") for name in names]
    shipped, own = cells[0], cells[4]
    assert with_brought([shipped], cells, mine) == [shipped, cells[1], own]
    assert with_brought([own], cells, mine) == [own]
    assert with_brought([shipped], cells, SHIPPED) == [shipped]
    assert (not_run([shipped], mine), not_run([own], mine)) == (["dev_mem"], [])
