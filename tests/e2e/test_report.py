"""`labelwatch athena` and `labelwatch report` against the local AWS, and the page in a browser."""

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.pipeline import Pipeline, run_labelwatch

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = {"phone": 360, "desk": 1280}
SMALLEST_LETTERS = 12  # in pixels


@pytest.fixture(scope="module")
def filled(running: Pipeline) -> Pipeline:
    running.upload("reported 1.jpg", "reported&2.jpg", "uploads/camera-north/<3>.jpg")
    running.wait_for("reported 1.jpg", "reported&2.jpg", "uploads/camera-north/<3>.jpg")
    return running


def run(pipeline: Pipeline, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_labelwatch(pipeline.session, *arguments, COLUMNS="200")


def said(pipeline: Pipeline, *arguments: str) -> str:
    done = run(pipeline, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_queries_are_listed_with_what_they_answer(running: Pipeline) -> None:
    listed = said(running, "athena", "query")
    assert re.search(r"labels_by_count +│ Which labels were seen, and in how many images\?", listed)


def test_tables_that_are_there_stay_and_those_that_went_come_back(running: Pipeline) -> None:
    there = "rekognition_customlabels_analytics: {0}\nrekognition_customlabels_plain: {0}\n"
    assert said(running, "athena", "up") == there.format("as it should be")
    assert said(running, "athena", "down") == there.format("gone")
    assert "labelwatch athena up" in run(running, "athena", "query", "labels_by_count").stderr
    assert said(running, "athena", "up") == there.format("made")


def test_an_answer_is_a_table_csv_or_json_and_what_it_cost_stands_aside(filled: Pipeline) -> None:
    query = ("athena", "query", "newest_predictions", "--label", "leaf-smut")
    rows = json.loads(said(filled, *query, "--format", "json"))
    assert {row["image"] for row in rows} >= {"reported 1.jpg", "reported&2.jpg"}
    assert csv.DictReader(io.StringIO(said(filled, *query, "--format", "csv"))).fieldnames == list(rows[0])
    done = run(filled, *query)
    assert "reported 1.jpg" in done.stdout
    assert re.search(r"MB scanned \(10 MB are paid at least\): 0\.00005 USD", done.stderr)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("athena", "query", "pie"), "there is no query 'pie'; there are "),
        (("athena", "query", "labels_by_count", "--from", "yesterday"), "--from 'yesterday' must be a day"),
        (("athena", "query", "models_compared", "--label", "x"), "models_compared is about all labels"),
        (("athena", "query", "labels_by_count", "--stack", "none"), "there is no stack none"),
        (("report", "--to", "2026"), "--to '2026' must be a day"),
        (("report", "--stack", "none"), "there is no stack none"),
        (("report", "--out", "/proc/none"), "No such file or directory"),
    ],
)
def test_a_mistake_is_one_sentence(running: Pipeline, arguments: tuple[str, ...], sentence: str) -> None:
    done = run(running, *arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert sentence in done.stderr


@pytest.fixture(scope="module")
def report(filled: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    page, pie = said(filled, "report", "--out", str(folder)).splitlines()
    assert (page, pie) == (str(folder / "report.html"), str(folder / "labels.png"))
    return folder


def test_the_pie_is_a_picture(report: Path) -> None:
    with Image.open(report / "labels.png") as picture:
        assert (picture.format, picture.width > 600) == ("PNG", True)


def test_the_report_counts_what_the_query_counts(filled: Pipeline, report: Path) -> None:
    text = (report / "report.html").read_text()
    for row in json.loads(said(filled, "athena", "query", "labels_by_count", "--format", "json")):
        assert f'<td>{row["label"]}</td><td class="number">{row["images"]}</td>' in text


def test_a_stack_of_something_else_is_one_sentence(running: Pipeline) -> None:
    cloudformation = running.session.local_aws.client("cloudformation")
    body = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    cloudformation.create_stack(StackName="website", TemplateBody=body)
    try:
        for words in (("athena", "up"), ("athena", "query", "labels_by_count"), ("report",)):
            done = run(running, *words, "--stack", "website")
            assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
            assert "it is none of Labelwatch's" in done.stderr
    finally:
        cloudformation.delete_stack(StackName="website")


def test_days_without_images_make_a_report_that_says_so(filled: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "labels.png").write_bytes(b"of an earlier report")
    shown = said(filled, "report", "--to", "2020-01-01", "--out", str(tmp_path))
    assert "No image has a label, so there is no pie." in shown
    assert "No images." in (tmp_path / "report.html").read_text()
    assert not (tmp_path / "labels.png").exists()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("Chromium, in which the report is looked at, is not installed")
    with sync_playwright() as playwright:
        # Without its sandbox, which root does not have; the page is our own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=[(scheme, width) for scheme in ("light", "dark") for width in WIDTHS], ids="-".join)
def opened(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Page, list[str], str]]:
    """The page without a network, what went out of it or was complained of, and whether it is day or night."""
    scheme: Literal["light", "dark"]
    scheme, width = request.param
    context = browser.new_context(color_scheme=scheme, viewport={"width": WIDTHS[width], "height": 900}, offline=True)
    page = context.new_page()
    noticed: list[str] = []
    page.on("request", lambda one: None if one.url.startswith(("data:", "file:")) else noticed.append(one.url))
    page.on("console", lambda one: noticed.append(one.text))
    page.on("pageerror", lambda one: noticed.append(str(one)))
    page.goto((report / "report.html").as_uri())
    page.wait_for_function("[...document.images].every(image => image.complete)")
    yield page, noticed, scheme
    context.close()


def test_the_page_opens_offline_and_nothing_leaves_it(opened: tuple[Page, list[str], str]) -> None:
    page, noticed, _ = opened
    drawn = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(drawn) == 3
    assert min(drawn) > 300
    assert noticed == []


def test_the_page_fits_the_screen_and_its_pictures_fit_the_hour(opened: tuple[Page, list[str], str]) -> None:
    page, _, scheme = opened
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shown = page.evaluate("document.images[0].currentSrc")
    other = page.locator("picture source").first.get_attribute("srcset")
    assert (shown == other) is (scheme == "dark")


def test_no_row_of_the_table_is_hidden_at_the_side_and_no_letter_of_a_chart_is_small(
    opened: tuple[Page, list[str], str],
) -> None:
    page, _, _ = opened
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("[...document.querySelectorAll('.scrolls')].every(one => one.scrollWidth <= one.clientWidth)")
    letters = page.evaluate("""[...document.images].flatMap(image =>
      [...atob(image.currentSrc.split(",")[1]).matchAll(/font-size="([\\d.]+)px"/g)]
        .map(([, size]) => size * image.width / image.naturalWidth))""")
    assert min(letters) >= SMALLEST_LETTERS


def test_the_cards_leave_no_hole(opened: tuple[Page, list[str], str]) -> None:
    page, _, _ = opened
    for width in (*WIDTHS.values(), 900):
        page.set_viewport_size({"width": width, "height": 900})
        holes = page.evaluate("""() => {
          const ends = {}
          for (const one of document.querySelectorAll("section")) {
            const { top, right } = one.getBoundingClientRect()
            ends[top] = Math.max(ends[top] ?? 0, right)
          }
          const { right } = document.querySelector("main").getBoundingClientRect()
          return Object.values(ends).filter(end => end < right - 1)
        }""")
        assert holes == []


def test_the_page_is_accessible(opened: tuple[Page, list[str], str]) -> None:
    page, _, _ = opened
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
