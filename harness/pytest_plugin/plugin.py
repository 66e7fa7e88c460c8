# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin: `pytest -m scenario` runs cells as `umd-harness run` does.

pytest loads this module in every session of the environment. So it imports only small modules, and
does nothing until a test uses the fixture `scenario_cell` or `umd_guest`. The code behind the
fixtures is in `harness.pytest_plugin.session` and `harness.lab.by_hand`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.host.errors import UserError
from harness.pytest_plugin.markers import mark, register_markers, register_variants
from harness.pytest_plugin.settings import Settings, add_settings, told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.lab.by_hand import Guest, GuestMaker, Labs
    from harness.pytest_plugin.session import ScenarioSession
    from harness.run.request import Request

_REQUEST = pytest.StashKey["Request"]()
_RUN = pytest.StashKey[str]()
_LABS = pytest.StashKey["Labs"]()
_SESSION = pytest.StashKey["ScenarioSession"]()
_RELAY = pytest.StashKey[Any]()
_WORKER_KEY = "umd_harness_run"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the ini settings."""
    add_settings(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers. Check the settings if any are given."""
    register_markers(config)
    if Settings(config).are_given:
        _request(config)
        try:
            Settings(config).shard()
        except UserError as error:
            raise pytest.UsageError(told(error)) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Turn a test that takes `scenario_cell`, a Cell, into one test for each cell.

    If the user has scenario files, these are the cells of their scenarios alone. `-k` and `-m` only
    narrow them. The control and the reference cells of a chosen cell run without being tests.
    """
    if "scenario_cell" not in metafunc.fixturenames:
        return
    config = metafunc.config
    cells = _request(config).cells
    metafunc.parametrize("scenario_cell", cells, ids=[cell.id for cell in cells])
    if _SESSION not in config.stash:
        from harness.pytest_plugin.session import AbortGuard, ScenarioSession

        session = ScenarioSession(
            config, _run_directory(config), Settings(config), _request(config)
        )
        config.stash[_SESSION] = session
        config.pluginmanager.register(session, "umd-harness-session")
        config.pluginmanager.register(AbortGuard(session), "umd-harness-abort-guard")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give the test of a cell its markers, and the keywords of `umd-harness run -k`."""
    spec = getattr(item, "callspec", None)
    if spec is None or "scenario_cell" not in spec.params or _SESSION not in item.config.stash:
        return
    from harness.judge.selection import keywords

    corpus, cell = _request(item.config).corpus, spec.params["scenario_cell"]
    item.extra_keyword_matches.update(keywords(corpus, cell))
    mark(item, corpus, cell)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Warn of words of -k that match no test, before pytest deselects. One xdist worker does it."""
    expression = config.getoption("keyword", "")
    worker = getattr(config, "workerinput", {}).get("workerid", "gw0")
    if expression and _SESSION in config.stash and worker == "gw0":
        from harness.pytest_plugin.unknown_words import warn_of_unknown_words

        warn_of_unknown_words(config, expression, items, _request(config))


@pytest.fixture(scope="session")
def scenario_results(pytestconfig: pytest.Config) -> ScenarioSession:
    """The run of this pytest session, a ScenarioSession.

    `check(cell, session)` runs the cell, with the cells that its result depends on, unless another
    worker has run them; it fails the test unless the result is the expected one.
    """
    return pytestconfig.stash[_SESSION]


@pytest.fixture
def umd_guest(pytestconfig: pytest.Config) -> Iterator[GuestMaker]:
    """A function that takes a variant's name and returns a running machine of it, a Guest.

    The machine ends with the test. If the variant is unknown or cannot be built, the test fails
    with one line (docs/how-to/test-by-hand.md).
    """
    from harness.lab.by_hand import guests

    with guests(_labs(pytestconfig)) as make:

        def made(variant: str) -> Guest:
            try:
                return make(variant)
            except UserError as error:
                pytest.fail(told(error), pytrace=False)

        yield made


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the name of the shared run to an xdist worker."""
    node.workerinput[_WORKER_KEY] = _run_directory(node.config).name
    if _RELAY not in node.config.stash:
        from harness.pytest_plugin.relay import ProgressRelay

        reporter = node.config.pluginmanager.getplugin("terminalreporter")
        node.config.stash[_RELAY] = ProgressRelay(_run_directory(node.config), reporter)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Complete the run's header and write its reports when all workers are done."""
    config = session.config
    if _is_worker(config):
        return
    relay = config.stash.get(_RELAY, None)
    if relay is not None:
        relay.stop()
    if _was_run(config):
        from harness.pytest_plugin.finished_session import finish_run

        directory, words = _run_directory(config), config.invocation_params.args
        session.exitstatus = finish_run(directory, int(exitstatus), words, _request(config))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the numbers of cells and the folder of the results."""
    config = terminalreporter.config
    if not _is_worker(config) and _was_run(config):
        from harness.pytest_plugin.finished_session import summary

        for line in summary(_run_directory(config)):
            terminalreporter.write_line(line)


def _run_directory(config: pytest.Config) -> Path:
    """Return the folder of this session's run. It is created with the first cell."""
    if _RUN not in config.stash:
        from harness.results.run_name import new_run_name

        given = getattr(config, "workerinput", {}).get(_WORKER_KEY)
        config.stash[_RUN] = given or new_run_name()
    return config.rootpath / "results" / config.stash[_RUN]


def _request(config: pytest.Config) -> Request:
    """Return the cells that the settings choose, loaded once in a session."""
    if _REQUEST not in config.stash:
        try:
            config.stash[_REQUEST] = Settings(config).request()
        except UserError as error:
            raise pytest.UsageError(told(error)) from error
        register_variants(config, config.stash[_REQUEST].corpus.variants.values())
    return config.stash[_REQUEST]


def _labs(config: pytest.Config) -> Labs:
    """Return the labs of the session's kernel and engine, for tests by hand."""
    if _LABS not in config.stash:
        from harness.lab.by_hand import Labs

        asked = _request(config)
        config.stash[_LABS] = Labs(
            asked.line, kernel=asked.kernel, engine=asked.engine, corpus=asked.corpus
        )
    return config.stash[_LABS]


def _was_run(config: pytest.Config) -> bool:
    return _RUN in config.stash and _run_directory(config).is_dir()


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
