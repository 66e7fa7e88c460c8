# SPDX-License-Identifier: GPL-2.0-only
"""The page of a run in a real Chromium: it loads alone, finds, links, and shows hostile text."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from hostile_run import MARKUP, SHOWN, keep_hostile_run, keep_old_run
from outcomes import ISOLATED
from playwright.sync_api import sync_playwright
from small_corpus import SMALL

from harness.findings.price import shipped_prices
from harness.findings.price_page import priced
from harness.host.paths import CHECKOUT
from harness.report.page.page import PageContent, page
from harness.results.defence_summary import read_defences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

QUIET = (
    "--no-sandbox",  # root's, as in CI
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ROWS = "#matrix tbody:not([hidden]) tr:not([hidden]) > th .mono"
GRAVE = ("serious", "critical")
PATIENCE = 300_000  # milliseconds


@dataclass
class Seen:
    """A page in the browser, and all that it asked for or complained about."""

    page: Page
    address: str
    trouble: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, state: str = "") -> Page:
        """Load the page anew, as from a link."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}{state}")
        self.page.wait_for_selector("nav a[aria-current]")
        return self.page

    def state(self) -> str:
        """The part of the address that says what is shown, as the page itself has it.

        The browser tells others of a change some time after the page has made it.
        """
        return unquote(str(self.page.evaluate("location.hash"))).removeprefix("#")

    def rows(self) -> list[str]:
        """The scenarios that the matrix shows."""
        return self.page.locator(ROWS).all_inner_texts()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "Debian's package chromium is missing; `./run tests` installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=[*QUIET], timeout=PATIENCE
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with a difference, of a run with hostile text."""
    root = tmp_path_factory.mktemp("results")
    path = root / "new" / "report.html"
    defences = read_defences(CHECKOUT / "docs/runs/defences.json")
    prices = priced(defences, shipped_prices())
    content = PageContent(keep_hostile_run(root), keep_old_run(root), prices=prices)
    path.write_text(page(content, SMALL, place=path.parent))
    return path.as_uri()


@pytest.fixture
def seen(browser: Browser, address: str) -> Iterator[Seen]:
    """Every test ends with this: nothing was asked for but the page, and nothing went wrong."""
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    context.set_default_timeout(PATIENCE)
    found = Seen(context.new_page(), address)
    found.page.on("console", lambda message: found.trouble.append(message.text))
    found.page.on("pageerror", lambda error: found.trouble.append(str(error)))
    found.page.on("request", lambda request: found.requests.append(request.url))
    yield found
    harmed = found.page.evaluate("window.harmed")
    context.close()
    assert harmed is None
    assert found.trouble == []
    assert {url.partition("#")[0] for url in found.requests} <= {address, "about:blank"}


def test_it_loads_with_all_rows_and_asks_for_nothing(seen: Seen) -> None:
    shown = seen.open()
    assert len(seen.rows()) == 7
    assert shown.locator("#matrix td a").count() == 28
    assert shown.locator("#status").inner_text() == "7 scenarios and 28 cells"


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        ("proc_mem", ["proc_mem_write"]),
        ("PTRACE_access", ["proc_mem_write"]),  # a hook, in upper case too
        ("eperm", ["proc_mem_write"]),
        ("silent", ["ptrace_seize"]),
        ("R14", ["nothing", "host_tamper"]),
        ("no such thing", []),
    ],
)
def test_the_search_finds_names_hooks_errnos_and_requirements(
    seen: Seen, typed: str, rows: list[str]
) -> None:
    shown = seen.open()
    shown.keyboard.press("/")
    shown.keyboard.type(typed)
    assert seen.rows() == rows


def test_the_filters_are_in_the_address_and_a_link_restores_them(seen: Seen) -> None:
    shown = seen.open()
    shown.get_by_role("checkbox", name="not as expected").check()
    assert seen.rows() == ["ptrace_seize"]
    shown.get_by_role("checkbox", name="error").check()
    shown.get_by_role("combobox", name="Variant").select_option("kthread")
    shown.get_by_role("searchbox", name="Search").fill("seize")
    rows, link = seen.rows(), seen.state()
    assert rows == ["ptrace_seize"]
    seen.open(f"#{link}")
    assert seen.rows() == rows
    assert shown.get_by_role("searchbox", name="Search").input_value() == "seize"
    assert shown.locator("#matrix thead th:not([hidden])").all_inner_texts() == [
        "scenario",
        "kthread",
    ]
    shown.get_by_role("button", name="Show all").click()
    assert len(seen.rows()) == 7
    shown.get_by_role("combobox", name="Lost").select_option("confidentiality")
    assert shown.locator("#status").inner_text() == "1 of 7 scenarios, 2 of 28 cells"


def test_a_cell_opens_from_the_keyboard_and_escape_leads_back(seen: Seen) -> None:
    shown = seen.open("#q=proc_mem_write")
    shown.locator("#matrix td a[tabindex='0']").focus()
    shown.keyboard.press("ArrowRight")
    shown.keyboard.press("Enter")
    assert seen.state() == f"cell={ISOLATED.id}&q=proc_mem_write"
    assert shown.evaluate("document.activeElement.tagName") == "H2"
    story = shown.locator("#cell").inner_text()
    for part in (
        SMALL.scenarios["proc_mem_write"].summary,
        "harness/scenarios/direct.py:",
        "security_ptrace_access_check (can refuse)",
        "held: the variant is to stop it",
        "after a restart",
        "-k '[6.12-isolated-proc_mem_write]'",
        "shell --variant isolated --prepare proc_mem_write",
        "In old, the old run",
    ):
        assert part in story, part
    shown.keyboard.press("Escape")
    assert seen.rows() == ["proc_mem_write"]
    assert shown.evaluate("document.activeElement.textContent") == "H"


def test_the_evidence_is_a_link_away(seen: Seen) -> None:
    shown = seen.open(f"#cell={ISOLATED.id}")
    folder = seen.address.rpartition("/")[0]
    link = shown.locator("#cell a", has_text="witness.json").last
    assert link.evaluate("(one) => one.href") == f"{folder}/cells/{ISOLATED.id}/witness.json"


def test_hostile_text_is_shown_as_text(seen: Seen) -> None:
    shown = seen.open(f"#cell={ISOLATED.id}")
    assert f"EPERM {MARKUP}{SHOWN}" in shown.locator("#cell").inner_text()
    assert shown.locator("img").count() == 0
    assert shown.locator("script").count() == 2


def test_a_console_of_a_megabyte_is_cut(seen: Seen) -> None:
    shown = seen.open("#cell=6.12-kthread-ptrace_seize")
    console = shown.locator("#cell pre", has_text="begin").inner_text()
    assert console.splitlines()[-1] == f"{MARKUP}{SHOWN}"
    assert 2000 < len(console) < 3000


def test_the_parts_of_the_report_lead_into_the_matrix(seen: Seen) -> None:
    shown = seen.open("#view=held")
    shown.locator(".heat .total a").nth(1).click()
    assert seen.state() == "variant=isolated"
    seen.open("#view=difference").get_by_role("link", name=ISOLATED.id).click()
    assert shown.locator("#cell h2").inner_text() == "proc_mem_write on isolated"
    heads = shown.locator("#cell h3").all_inner_texts()
    assert heads == ["In old, the old run", "In new"]
    shown.keyboard.press("Escape")
    assert seen.state() == "view=difference"
    assert shown.evaluate("document.activeElement.textContent") == ISOLATED.id
    assert seen.open("#cell=6.12-isolated-nowhere").locator("h2").first.inner_text() == (
        "There is no such cell"
    )


@pytest.mark.parametrize(("scheme", "rules"), [("light", None), ("dark", ["color-contrast"])])
def test_axe_finds_nothing_serious(
    browser: Browser, address: str, scheme: Any, rules: list[str] | None
) -> None:
    axe = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)
    context.set_default_timeout(PATIENCE)
    shown = context.new_page()
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    for state in ("", "#only=hole", "#view=held", "#view=difference", f"#cell={ISOLATED.id}"):
        shown.goto("about:blank")
        shown.goto(f"{address}{state}")
        shown.add_script_tag(content=axe)
        found = shown.evaluate("(options) => axe.run(document, options)", options)
        grave = [one["id"] for one in found["violations"] if one["impact"] in GRAVE]
        assert grave == [], state
    context.close()
