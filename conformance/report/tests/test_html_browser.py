"""The HTML report in a real browser: what it shows, by mouse and by keyboard, on a desk and on a phone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from conformance.diagnosis.finding import Diagnosis, Finding, Statement
from conformance.report import html
from conformance.report.tests import browser
from conformance.report.tests.browser import cell_of, contrasts, logged, opened, view
from conformance.trial.results import CheckResult, Report
from conformance.trial.runner import run
from conformance.trial.tests import wrong

MOST = 2 * 2**20
PHONE = 360
FAILING, PASSING = "grad_final_cell_ignored", "correct"
BOTH = pytest.mark.parametrize("name", [PASSING, FAILING])
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
DIAGNOSIS = Diagnosis(
    (
        Finding(
            ("grad-final-cell-ignored",), True, "The cotangent of the final cell is ignored", 9, 9, "Start from d_c."
        ),
    ),
    (Statement(False, "d_c has no effect."), Statement(True, f"The forward pass is right. {'Very. ' * 30}")),
)


@dataclass(frozen=True)
class Written:
    """A report and the page that it was written to."""

    report: Report
    path: Path

    @property
    def address(self) -> str:
        return self.path.as_uri()


def hostile(case: Any) -> Any:
    if case.sizes[0] == 1:
        raise ValueError(HOSTILE)
    return {**wrong.lstm(case), HOSTILE: 1}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Written]:
    made: dict[str, Written] = {}

    def write(name: str) -> Written:
        if name not in made:
            function = hostile if name == HOSTILE else getattr(wrong, name)
            report = run(function, name)
            made[name] = Written(report, tmp_path_factory.mktemp("page") / "report.html")
            diagnosis = Diagnosis() if report.conforms() else DIAGNOSIS
            html.write(report, made[name].path, diagnosis, f"path to/my_lstm.py:{name}")
        return made[name]

    return write


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome | str]:
    """A browser, or why there is none."""
    found = browser.find()
    if found is None:
        yield f"the HTML report in a browser: no Chromium with its chromedriver was found; {browser.HOW}"
        return
    try:
        driver = browser.start(*found, tmp_path_factory.mktemp("profile"))
    except WebDriverException as error:
        yield f"the HTML report in a browser: {found[0]} does not start: {str(error.msg).splitlines()[0]}; {browser.HOW}"
        return
    yield driver
    driver.quit()


@pytest.fixture
def chromium(started: Chrome | str, not_run: Callable[[str], None]) -> Chrome:
    if isinstance(started, str):
        not_run(started)
    assert isinstance(started, Chrome)
    started.get("about:blank")
    view(started)
    logged(started, "browser")
    logged(started, "performance")
    return started


def escape(driver: Chrome, page: Written) -> None:
    """Close the dialog by keyboard, and wait until the page has heard of it: then the address is its own again."""
    ActionChains(driver).send_keys(Keys.ESCAPE).perform()
    WebDriverWait(driver, 5).until(lambda d: d.current_url == page.address)


def interesting(report: Report) -> CheckResult:
    """The smallest failure, or where nothing fails the check nearest to the limit."""
    return report.smallest_failure or max(report.results, key=lambda r: r.share or 0)


def assert_numbers(told: dict[str, str], result: CheckResult, name: str) -> None:
    compared = result.comparison
    assert compared is not None
    assert told["check"] == f"{result.quantity} in {result.trial}"
    assert told["status"] == ("✓ passed" if result.status == "passed" else "✗ failed")
    assert told["worst at"] == compared.index
    assert float(told["expected"]) == compared.expected
    assert float(told["actual"]) == compared.actual
    assert float(told["error"]) == abs(compared.actual - compared.expected)
    assert float(told["allowed"]) == compared.allowed
    assert float(told["error / allowed"]) == pytest.approx(compared.share, rel=1e-3)
    assert told["wrong numbers"] == f"{compared.wrong} of {compared.total}"
    command = f"lstm-conformance repro 'path to/my_lstm.py:{name}' {result.trial}"
    assert told["repeat"] == command


@BOTH
def test_it_loads_alone_and_without_a_complaint(name: str, chromium: Chrome, written: Callable[[str], Written]) -> None:
    page = written(name)
    assert page.path.stat().st_size < MOST
    chromium.get(page.address)
    assert chromium.find_element(By.TAG_NAME, "h1").text.endswith(
        "Conforms" if page.report.conforms() else "Does not conform"
    )
    assert logged(chromium, "browser") == []
    events = [json.loads(entry["message"])["message"] for entry in logged(chromium, "performance")]
    asked = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert page.address in asked
    assert {url for url in asked if not url.startswith("data:")} == {page.address}


@BOTH
def test_every_case_has_a_cell_for_every_quantity(
    name: str, chromium: Chrome, written: Callable[[str], Written]
) -> None:
    page = written(name)
    chromium.get(page.address)
    assert chromium.find_element(By.ID, "matrix").aria_role == "grid"
    cells = chromium.find_elements(By.CSS_SELECTOR, "#matrix tbody td")
    assert len(cells) == len(page.report.trials) * 9
    assert cells[0].aria_role == "gridcell"
    assert chromium.find_element(By.CSS_SELECTOR, "#matrix tbody th").aria_role == "rowheader"
    failed = chromium.find_elements(By.CSS_SELECTOR, "#matrix td[class^=f]")
    assert len(failed) == len(page.report.failures)
    counted = [e.text for e in chromium.find_elements(By.CSS_SELECTOR, ".counts dd")]
    counts = page.report.counts()
    assert counted == [f"{counts[name]:,}" for name in counts if counts[name] or name not in ("remarks", "not_judged")]


@BOTH
def test_a_click_on_a_cell_shows_its_numbers(name: str, chromium: Chrome, written: Callable[[str], Written]) -> None:
    page = written(name)
    chromium.get(page.address)
    result = interesting(page.report)
    assert opened(chromium) == {}
    cell_of(chromium, page.report, result).click()
    assert_numbers(opened(chromium), result, name)
    chromium.find_element(By.CSS_SELECTOR, "#numbers form button").click()
    assert opened(chromium) == {}


@BOTH
def test_the_keyboard_alone_reaches_a_cell_and_opens_it(
    name: str, chromium: Chrome, written: Callable[[str], Written]
) -> None:
    page = written(name)
    chromium.get(page.address)

    def press(*keys: str) -> WebElement:
        ActionChains(chromium).send_keys(*keys).perform()
        return chromium.switch_to.active_element

    stops = 0
    while not (at := press(Keys.TAB)).get_attribute("aria-haspopup"):
        stops += 1
        assert stops < 60, "Tab does not reach the matrix"
        outline = at.value_of_css_property("outline-style"), at.value_of_css_property("outline-width")
        assert outline == ("solid", "3px"), f"no focus to be seen on {at.get_attribute('outerHTML')}"
    first, *_ = page.report.trials
    assert str(at.get_attribute("aria-label")).startswith(f"output in {first}: ")
    assert float(at.value_of_css_property("outline-width").removesuffix("px")) >= 2
    assert str(press(Keys.ARROW_RIGHT).get_attribute("aria-label")).startswith("output in plain-output-float32")
    assert str(press(Keys.ARROW_DOWN).get_attribute("aria-label")).startswith("output in plain-output-nostate-float32")
    assert str(press(Keys.END).get_attribute("aria-label")).startswith("d_bias in plain-output-nostate-float32")
    at = press(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    box = chromium.execute_script("return document.getElementById('scroll').getBoundingClientRect().left")
    assert at.rect["x"] >= box + chromium.find_element(By.CSS_SELECTOR, "#matrix tbody th").rect["width"] - 1

    press(Keys.ENTER)
    result = next(r for r in page.report.results if r.id == "plain-output-nostate-float64:h")
    assert_numbers(opened(chromium), result, name)
    press(Keys.ARROW_RIGHT)
    below = next(r for r in page.report.results if r.id == "plain-output-nostate-float32:h")
    assert_numbers(opened(chromium), below, name)
    escape(chromium, page)
    assert opened(chromium) == {}
    at = chromium.switch_to.active_element
    assert str(at.get_attribute("aria-label")).startswith("h in plain-output-nostate-float32")
    assert (
        press(Keys.TAB).get_attribute("aria-haspopup") is None
        or chromium.execute_script("return document.activeElement.closest('table').id") == "behaviour"
    ), "Tab leaves the grid"


@BOTH
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_never_scrolls_the_page_sideways(
    name: str, scheme: str, chromium: Chrome, written: Callable[[str], Written]
) -> None:
    page = written(name)
    view(chromium, PHONE, color_scheme=scheme)
    chromium.get(page.address)
    chromium.execute_script("for (const fold of document.querySelectorAll('details')) fold.open = true")

    def wide() -> int:
        return int(chromium.execute_script("return document.scrollingElement.scrollWidth"))

    assert chromium.execute_script("return innerWidth") == PHONE
    assert wide() == PHONE
    heading = chromium.find_element(By.CSS_SELECTOR, "#matrix tbody th")
    before = heading.rect["x"]
    moved = chromium.execute_script(
        "const box = document.getElementById('scroll'); box.scrollLeft = 200; return box.scrollLeft"
    )
    assert moved == 200, "the matrix scrolls in its own box"
    assert heading.rect["x"] == pytest.approx(before, abs=1), "its first column stays"
    assert chromium.find_element(By.CSS_SELECTOR, "#matrix tbody td").rect["x"] < before
    cell_of(chromium, page.report, interesting(page.report)).click()
    assert opened(chromium)
    assert wide() == PHONE
    assert chromium.find_element(By.ID, "numbers").rect["width"] <= PHONE


@pytest.mark.parametrize("width", [PHONE, 390])
@pytest.mark.parametrize("name", [FAILING, "misnamed"])
def test_a_phone_has_the_counts_in_one_line(
    name: str, width: int, chromium: Chrome, written: Callable[[str], Written]
) -> None:
    view(chromium, width)
    chromium.get(written(name).address)
    counts = chromium.find_elements(By.CSS_SELECTOR, ".counts dt")
    assert [count.text for count in counts] == ["checks", "passed", "failed", "not provided", "undeclared"]
    assert len({count.rect["y"] for count in counts}) == 1


@pytest.mark.parametrize("name", [PASSING, FAILING, "nan_at_saturation", "misnamed"])
def test_all_text_can_be_read_in_the_light_and_in_the_dark(
    name: str, chromium: Chrome, written: Callable[[str], Written]
) -> None:
    page = written(name)
    grounds = []
    for scheme in ("light", "dark"):
        view(chromium, color_scheme=scheme)
        chromium.get(page.address)
        looked, poor = contrasts(chromium)
        assert looked > 1400, "cells and all"
        assert poor == []
        cell_of(chromium, page.report, interesting(page.report)).click()
        assert contrasts(chromium)[1] == []
        grounds.append(chromium.find_element(By.TAG_NAME, "body").value_of_css_property("background-color"))
    assert grounds[0] != grounds[1]


def test_who_wants_no_motion_sees_none(chromium: Chrome, written: Callable[[str], Written]) -> None:
    page = written(PASSING)
    moving = {}
    for wish in ("no-preference", "reduce"):
        view(chromium, reduced_motion=wish)
        chromium.get(page.address)
        cell_of(chromium, page.report, interesting(page.report)).click()
        everything = "return [...document.querySelectorAll('*')].map((e) => getComputedStyle(e))"
        moving[wish] = chromium.execute_script(
            f"{everything}.filter((s) => s.animationName !== 'none' || s.transitionDuration !== '0s').length"
        )
    assert moving["no-preference"] > 0
    assert moving["reduce"] == 0


def test_links_and_addresses_lead_to_a_checks_numbers(chromium: Chrome, written: Callable[[str], Written]) -> None:
    page = written(FAILING)
    result = interesting(page.report)
    chromium.get(f"{page.address}#{result.id}")
    assert_numbers(opened(chromium), result, FAILING)
    chromium.get("about:blank")
    chromium.get(page.address)
    link = chromium.find_element(By.LINK_TEXT, "Its numbers")
    link.click()
    assert_numbers(opened(chromium), result, FAILING)
    assert chromium.current_url == f"{page.address}#{result.id}"
    escape(chromium, page)
    assert chromium.switch_to.active_element == link


def test_cases_can_be_chosen_by_name_and_by_failure(chromium: Chrome, written: Callable[[str], Written]) -> None:
    page = written(FAILING)
    chromium.get(page.address)

    def shown() -> list[str]:
        heads = chromium.find_elements(By.CSS_SELECTOR, "#matrix tbody tr:not([hidden]) th")
        return [str(head.get_attribute("title")) for head in heads]

    failing = {r.trial.rpartition("-")[0] for r in page.report.failures}
    assert set(shown()) > failing
    chromium.find_element(By.ID, "failing").click()
    assert set(shown()) == failing
    chromium.find_element(By.ID, "named").send_keys("Long-")
    every = list(dict.fromkeys(id.rpartition("-")[0] for id in page.report.trials))
    long = [id for id in every if "long-" in id and id in failing]
    assert shown() == long
    assert "long-500" in long
    assert chromium.find_element(By.ID, "count").text == f"{len(long)} of {len(every)} cases"
    ActionChains(chromium).send_keys(Keys.TAB, Keys.TAB).perform()
    while not (at := chromium.switch_to.active_element).get_attribute("aria-haspopup"):
        ActionChains(chromium).send_keys(Keys.TAB).perform()
    assert str(at.get_attribute("aria-label")).startswith("output in long-100-float64")


def test_pointing_at_a_number_reads_it(chromium: Chrome, written: Callable[[str], Written]) -> None:
    page = written(FAILING)
    chromium.get(page.address)
    chromium.execute_script("for (const fold of document.querySelectorAll('#smallest details')) fold.open = true")
    cell = chromium.find_element(By.CSS_SELECTOR, "#smallest .dense td.w")
    ActionChains(chromium).scroll_to_element(cell).move_to_element(cell).perform()
    text = cell.find_element(By.XPATH, "ancestor::figure").find_element(By.CSS_SELECTOR, ".readout").text
    summary = cell.find_element(By.XPATH, "ancestor::details/summary").text
    where = summary.partition("worst at ")[2]
    assert sorted(text.partition(":")[0].split()) == sorted(where.split())
    assert all(name in text for name in ("expected", "candidate", "difference"))

    plot = chromium.find_element(By.CSS_SELECTOR, "#time svg.wide")
    ActionChains(chromium).scroll_to_element(plot).move_to_element(plot).perform()
    figure = plot.find_element(By.XPATH, "ancestor::figure")
    text = figure.find_element(By.CSS_SELECTOR, ".readout").text
    chromium.execute_script("arguments[0].querySelector('details').open = true", figure)
    t = int(text.partition(":")[0].removeprefix("t="))
    row = figure.find_elements(By.CSS_SELECTOR, "tbody tr")[t]
    assert [cell.text for cell in row.find_elements(By.TAG_NAME, "td")] == [
        part.rpartition(" ")[2] for part in text.partition(": ")[2].split(", ")
    ]


def test_text_of_the_candidate_runs_nowhere(chromium: Chrome, written: Callable[[str], Written]) -> None:
    page = written(HOSTILE)
    chromium.get(page.address)
    assert logged(chromium, "browser") == []
    assert chromium.title.startswith(HOSTILE[:70])
    assert chromium.find_element(By.CSS_SELECTOR, ".name").text == HOSTILE
    result = page.report.smallest_failure
    assert result is not None
    cell_of(chromium, page.report, result).click()
    assert HOSTILE in opened(chromium)["message"]
    assert chromium.find_elements(By.TAG_NAME, "img") == []
    chromium.execute_script(
        "const s = document.createElement('script'); s.textContent = 'document.title = \"owned\"'; document.body.append(s);"
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=`owned`\">')"
    )
    assert chromium.title != "owned", "the page's policy lets no other script run"


def test_without_a_browser_the_run_ends_by_saying_so_and_how_to_get_one(tmp_path: Path) -> None:
    test = f"{__file__}::test_who_wants_no_motion_sees_none"
    command = [sys.executable, "-m", "pytest", "-q", test]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": str(tmp_path)})
    *_, told, last = done.stdout.strip().splitlines()
    assert last.startswith("1 skipped")
    assert told.startswith("not run: the HTML report in a browser: no Chromium")
    assert "apt-get install chromium chromium-driver" in told
