"""A real browser without a window, where the machine has one, and how to look at a report in it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from conformance.trial.results import CheckResult, Report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
HOW = "`apt-get install chromium chromium-driver` gives one on Debian; any Chromium or Chrome with its chromedriver on the PATH will do"
CONTRASTS = """
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const colours = (text) => [...text.matchAll(/rgba?\\(([^)]*)\\)/g)].map((m) => m[1].split(",").map(Number)).filter((c) => c[3] !== 0);
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const style = getComputedStyle(e), found = [...colours(style.backgroundImage), ...colours(style.backgroundColor)];
    if (found.length) return found;
  }
  return [[255, 255, 255]];
};
for (const fold of document.querySelectorAll("details")) fold.open = true;
const poor = [];
let looked = 0;
for (const element of document.querySelectorAll("body *")) {
  const said = [...element.childNodes].filter((n) => n.nodeType === 3 && n.data.trim()).map((n) => n.data.trim()).join(" ");
  const style = getComputedStyle(element);
  if (!said || !element.checkVisibility() || parseFloat(style.fontSize) === 0) continue;
  looked += 1;
  const ink = luminance(colours(element.namespaceURI.endsWith("svg") ? style.fill : style.color)[0]);
  for (const ground of behind(element).map(luminance)) {
    const contrast = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    if (contrast < 4.5) poor.push([said.slice(0, 40), element.className.baseVal ?? element.className, contrast]);
  }
}
return [looked, poor];
"""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> tuple[str, str] | None:
    """The browser and its driver; None where one of them is missing."""
    browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


def start(browser: str, driver: str, profile: Path) -> Chrome:
    """Start a browser with an empty profile, keeping what it logs and requests."""
    options = ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return Chrome(service=Service(executable_path=driver), options=options)


def logged(driver: Chrome, kind: str) -> list[dict[str, Any]]:
    """What the browser logged since it was asked last."""
    entries: list[dict[str, Any]] = driver.get_log(kind)  # type: ignore[no-untyped-call]  # selenium's has no types
    return entries


def view(driver: Chrome, width: int = 1200, **features: str) -> None:
    """Look at pages so wide, with these media features."""
    phone = width < 500
    metrics = {"width": width, "height": 760, "deviceScaleFactor": 1, "mobile": phone}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    wanted = {"color-scheme": "light", "reduced-motion": "no-preference"} | {
        name.replace("_", "-"): value for name, value in features.items()
    }
    media = [{"name": f"prefers-{name}", "value": value} for name, value in wanted.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})


def cell_of(driver: Chrome, report: Report, result: CheckResult) -> WebElement:
    """The cell of a check, found by the headings of its row and column."""
    dtype = report.trials[result.trial].case.dtype.name
    row = driver.find_element(
        By.XPATH, f"//table[@id='matrix']//tr[th[@title='{result.trial.removesuffix('-' + dtype)}']]"
    )
    names = [h.text.replace("\n", "") for h in driver.find_elements(By.CSS_SELECTOR, "#matrix thead tr:first-child th")]
    place = 2 * (names.index(result.quantity) - 1) + ["float64", "float32"].index(dtype)
    cell = row.find_elements(By.TAG_NAME, "td")[place]
    driver.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", cell)
    return cell


def opened(driver: Chrome) -> dict[str, str]:
    """What the dialog says, by name; empty if it is closed."""
    said: dict[str, str] = driver.execute_script(
        "const dialog = document.getElementById('numbers'), text = (e) => e.textContent.trim();"
        "if (!dialog.open) return {};"
        "const names = [...dialog.querySelectorAll('dt')], parts = ['check', 'status', 'message'];"
        "return Object.fromEntries([...names.map((e) => [text(e), text(e.nextElementSibling)]),"
        " ...parts.map((id) => [id, text(document.getElementById(id))]),"
        " ['repeat', text(dialog.querySelector('.command code'))]])"
    )
    return said


def contrasts(driver: Chrome) -> tuple[int, list[Any]]:
    """Of how many pieces of text the contrast was measured, and those that have too little of it."""
    looked, poor = driver.execute_script(CONTRASTS)
    return looked, poor
