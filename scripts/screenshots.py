"""Writes docs/images from the result of the demo: the report, and an alert as a mail program shows it.

python scripts/screenshots.py build/demo docs/images
"""
# ruff: noqa: INP001, T201 - a script is no package, and it prints for the terminal

import email
import email.policy
import re
import shutil
import sys
from html import escape
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REPORT_WIDTH, ALERT_WIDTH = 1280, 900
COLOURS = 128  # enough for charts and text, and a third of the bytes
MAX_BYTES = 200_000
MAIL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 16px; background: #f4f6f8; font: 15px/1.5 sans-serif; color: #1b2430 }}
article {{ background: #fff; border: 1px solid #d5dae1; border-radius: 6px; padding: 20px 24px }}
h1 {{ font-size: 20px; margin: 0 0 12px }}
dl {{ display: grid; grid-template-columns: 4em 1fr; margin: 0 0 16px }}
dt {{ color: #51606f }} dd {{ margin: 0 }}
pre {{ font: 13px/1.5 monospace; margin: 0; padding-top: 16px; border-top: 1px solid #d5dae1 }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere }}
</style><article><h1>{subject}</h1>
<dl><dt>From</dt><dd>{sender}</dd><dt>To</dt><dd>{to}</dd><dt>Date</dt><dd>{date}</dd></dl><pre>{text}</pre></article>"""


def main(demo: Path, images: Path) -> None:
    """Writes report.png and alert.png."""
    mails = sorted((demo / "alerts").glob("*.eml"), key=lambda mail: mail.stat().st_size)
    if not CHROMIUM or not mails:
        raise SystemExit("Screenshots need Chromium and the result of the demo. Install Chromium, then run make demo.")
    images.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        # Down to the end of the charts beside each other.
        report = (demo / "report.html").read_text()
        shoot(browser, report, REPORT_WIDTH, "section >> nth=1", images / "report.png")
        shoot(browser, as_page(mails[0]), ALERT_WIDTH, "article", images / "alert.png")
        browser.close()


def as_page(mail: Path) -> str:
    """The mail as a page; links are links, as in a mail program."""
    message = email.message_from_bytes(mail.read_bytes(), policy=email.policy.default)
    text = re.sub(r"https?://\S+", lambda link: f'<a href="#">{link[0]}</a>', escape(message.get_content().strip()))
    return MAIL.format(
        subject=escape(message["Subject"]),
        sender=escape(message["From"]),
        to=escape(message["To"]),
        date=escape(message["Date"]),
        text=text,
    )


def shoot(browser: Browser, page: str, width: int, last: str, target: Path) -> None:
    """Writes a picture from the top of the page to the end of the element `last`."""
    tab = browser.new_page(viewport={"width": width, "height": 600}, color_scheme="light")
    tab.set_content(page)
    box = tab.locator(last).bounding_box()
    if not box:
        raise SystemExit(f"The page has no {last}. Change scripts/screenshots.py to fit the page.")
    height = box["y"] + box["height"] + 16
    tab.set_viewport_size({"width": width, "height": round(height)})
    tab.screenshot(path=target)
    tab.close()
    with Image.open(target) as picture:
        small = picture.convert("RGB").quantize(COLOURS)
    small.save(target, optimize=True)
    if target.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{target} has {target.stat().st_size:,} bytes, more than {MAX_BYTES:,}.")
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
