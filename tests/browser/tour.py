"""Screenshots of the console's pages, for docs/tour.md and for looking at what was changed.

python -m tests.browser.tour http://127.0.0.1:8000 --user admin --password … --out /tmp/tour
python -m tests.browser.tour … --out docs/images/tour --only home,rules --widths 1440 --themes light
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]

# name -> address; a second element is clicked before the picture is taken.
PAGES: dict[str, tuple[str, ...]] = {
    "home": ("/",),
    "insights": ("/insights/",),
    "catalog": ("/catalog/",),
    "item": ("/catalog/{item}/",),
    "taxonomies": ("/taxonomies/",),
    "users": ("/users/",),
    "user": ("/users/{user}/",),
    "user-compare": ("/users/{user}/?compare=default",),
    "why-not": ("/why-not/?user={user}&item={item}",),
    "rules": ("/rules/",),
    "rule-new": ("/rules/new/?action=pin&item={item}&position=2",),
    "golden": ("/rules/golden/",),
    "strategies": ("/strategies/",),
    "strategy": ("/strategies/default/",),
    "experiments": ("/experiments/",),
    "evaluations": ("/evaluation/",),
    "audit": ("/audit/",),
    "slate": ("/audit/{slate}/",),
    "changes": ("/changes/",),
    "jobs": ("/operations/jobs/",),
    "data-quality": ("/data-quality/",),
    "models": ("/operations/models/",),
    "settings": ("/settings/",),
    "keys": ("/settings/keys/",),
    "staff": ("/settings/staff/",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="names of pages, by commas")
    parser.add_argument("--add", action="append", default=[], help="name=/address/ of one more page")
    parser.add_argument("--widths", default="1440,390")
    parser.add_argument("--themes", default="light,dark")
    parser.add_argument("--language", default="en", choices=["en", "zh-hans"])
    parser.add_argument("--whole", action="store_true", help="the whole page instead of what a screen shows")
    parser.add_argument("--fill", action="append", default=[], help="name=value of {item}, {user}, {slate}")
    asked = parser.parse_args()
    pages = {**PAGES, **{name: (address,) for name, _, address in (each.partition("=") for each in asked.add)}}
    wanted = [name for name in asked.only.split(",") if name] or list(pages)
    fill = {"item": "", "user": "", "slate": "", **dict(each.split("=", 1) for each in asked.fill)}
    asked.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for width in (int(each) for each in asked.widths.split(",")):
            for theme in asked.themes.split(","):
                page = _signed_in(browser, asked, width, theme)
                for name in wanted:
                    address, *clicks = (part.format(**fill) for part in pages[name])
                    _take(
                        page, f"{asked.site}{address}", clicks, asked.out / f"{name}-{width}-{theme}.png", asked.whole
                    )
                page.context.close()
        browser.close()


def _signed_in(browser: Browser, asked: argparse.Namespace, width: int, theme: str) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900 if width > 600 else 844},
        color_scheme=theme,  # type: ignore[arg-type]
        reduced_motion="reduce",
        locale="en" if asked.language == "en" else "zh-CN",
    )
    page = context.new_page()
    page.on("pageerror", lambda error: sys.stderr.write(f"  {page.url}: {error}\n"))
    page.goto(f"{asked.site}/")
    page.locator("input[name=username]").fill(asked.user)
    page.locator("input[name=password]").fill(asked.password)
    page.keyboard.press("Enter")
    page.wait_for_load_state("networkidle")
    return page


def _take(page: Page, address: str, clicks: list[str], path: Path, whole: bool) -> None:
    started = time.monotonic()
    response = page.goto(address)
    try:
        page.wait_for_load_state("networkidle", timeout=20_000)
    except Exception as error:  # a page that polls is never idle: it is taken as it stands
        if not re.search("Timeout", str(error)):
            raise
    for selector in clicks:
        page.locator(selector).first.click()
        page.wait_for_load_state("networkidle")
    page.screenshot(path=path, full_page=whole)
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
    status = response.status if response else 0
    took = time.monotonic() - started
    note = " WIDER THAN THE SCREEN" if wide else ""
    sys.stdout.write(f"{path.name} {status} {took:.1f} s{note}\n")


if __name__ == "__main__":
    main()
