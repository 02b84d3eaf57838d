"""`labelwatch athena` and `labelwatch report` against the local AWS, and the page in a browser."""

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Literal

import markupsafe
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page

from chalicelib.domain.predictions import BoundingBox, Label, Prediction
from chalicelib.domain.rows import encoded, row_key, rows_of
from labelwatch.local.ministack import REGION
from labelwatch.report.charts import OKABE_ITO
from labelwatch.report.thumbnails import DELETED
from tests.support import builders
from tests.support.builders import image, rules
from tests.support.command import invoke_labelwatch
from tests.support.pipeline import Pipeline, picture, run_labelwatch

WIDTHS = {"phone": 360, "desk": 1280}
SMALLEST_FONT = 12  # in pixels
PICTURES = "reported-pictures"
GREY = (120, 120, 120)
BOX = BoundingBox(0.25, 0.5, 0.5, 0.25)
HOSTILE = '"><script>alert(1)</script>'
# Of the pictures by their key, the newest first: the last two are as narrow as a model accepts.
SIZES = {
    "boxed.png": (800, 400), "field 1/<img src=x onerror=alert(1)>" + "long" * 40: (300, 300), "wide.png": (1280, 64),
    "high.png": (64, 1280),
}  # fmt: skip
ANY_LABEL = rules(("*", None))


@pytest.fixture(scope="module")
def filled(running: Pipeline) -> Iterator[Pipeline]:
    running.upload("reported 1.jpg", "reported&2.jpg", "uploads/camera-north/<3>.jpg")
    running.upload("reported 4.jpg", content=picture("bacterial-leaf-blight"))  # a long label, on a narrow screen
    running.wait_for("reported 1.jpg", "reported&2.jpg", "uploads/camera-north/<3>.jpg", "reported 4.jpg")
    s3, output = running.session.local_aws.client("s3"), running.outputs["OutputBucket"]
    s3.create_bucket(Bucket=PICTURES, CreateBucketConfiguration={"LocationConstraint": REGION})
    for key, size in SIZES.items():
        s3.put_object(Bucket=PICTURES, Key=key, Body=grey(size))
    keys = {row_key(prediction): prediction for prediction in predictions_with_boxes()}
    for key, prediction in keys.items():
        s3.put_object(Bucket=output, Key=key, Body=encoded(rows_of(prediction, ANY_LABEL)))
    yield running
    for key in keys:
        s3.delete_object(Bucket=output, Key=key)


def grey(size: tuple[int, int]) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size, GREY).save(content, "PNG")
    return content.getvalue()


def predictions_with_boxes() -> Iterator[Prediction]:
    """The local model has no boxes. These predictions are the newest, in the order of SIZES, and one has no object."""
    labels = (
        Label("leaf-smut", 97.84, BOX),
        Label(HOSTILE, 90.0, BoundingBox(0.9, 0.9, 0.2, 0.2)),
        Label("leaf-smut", 91.0, BoundingBox(0, 0, 0.1, 0.1)),
    )
    later = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=9)
    for number, key in enumerate([*SIZES, "deleted.jpg"]):
        uploaded = later - dt.timedelta(seconds=number)
        reference = image(key, bucket=PICTURES, version_id=None, uploaded_at=uploaded)
        yield builders.prediction(*labels, image=reference, detected_at=uploaded)


def run(pipeline: Pipeline, *arguments: str) -> CompletedProcess[str]:
    return invoke_labelwatch(pipeline.session, *arguments)


def output_of(pipeline: Pipeline, *arguments: str) -> str:
    process = run(pipeline, *arguments)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_existing_tables_stay_and_missing_tables_are_created(running: Pipeline) -> None:
    lines = "rekognition_customlabels_analytics: {0}\nrekognition_customlabels_plain: {0}\n"
    assert output_of(running, "athena", "up") == lines.format("unchanged")
    assert output_of(running, "athena", "down") == lines.format("deleted")
    assert "labelwatch athena up" in run(running, "athena", "query", "labels_by_count").stderr
    assert output_of(running, "athena", "up") == lines.format("created")


def test_a_result_is_a_table_csv_or_json_and_its_cost_is_on_standard_error(filled: Pipeline) -> None:
    query = ("athena", "query", "newest_predictions", "--label", "leaf-smut")
    rows = json.loads(output_of(filled, *query, "--format", "json"))
    assert {row["image"] for row in rows} >= {"reported 1.jpg", "reported&2.jpg"}
    assert csv.DictReader(io.StringIO(output_of(filled, *query, "--format", "csv"))).fieldnames == list(rows[0])
    process = run_labelwatch(filled.session, *query)
    assert "reported 1.jpg" in process.stdout
    assert "0.00005 USD" in process.stderr


def test_an_empty_result_names_the_labels_and_is_still_readable_by_programs(filled: Pipeline) -> None:
    query = ("athena", "query", "labels_by_count", "--label", "leafsmut")
    assert json.loads(output_of(filled, *query, "--format", "json")) == []
    assert list(csv.reader(io.StringIO(output_of(filled, *query, "--format", "csv")))) == [["label", "images"]]
    process = run(filled, *query)
    assert (process.returncode, process.stdout) == (0, "")
    assert re.search(r"No rows match\..*leaf-smut", process.stderr)


@pytest.mark.parametrize("command", ["athena query labels_by_count", "report"])
def test_a_stack_that_does_not_exist_is_named_in_one_line(running: Pipeline, command: str) -> None:
    process = run(running, *command.split(), "--stack", "none")
    assert (process.returncode, len(process.stderr.splitlines())) == (1, 1), process.stderr
    assert "named none" in process.stderr


def test_a_folder_that_cannot_be_made_is_named_in_one_line(running: Pipeline) -> None:
    process = run_labelwatch(running.session, "report", "--out", "/proc/none")
    assert (process.returncode, len(process.stderr.splitlines())) == (1, 1), process.stderr
    assert "/proc/none" in process.stderr


@pytest.fixture(scope="module")
def report(filled: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    page, pie = output_of(filled, "report", "--out", str(folder)).splitlines()
    assert (page, pie) == (str(folder / "report.html"), str(folder / "labels.png"))
    return folder


def test_the_pie_is_a_picture(report: Path) -> None:
    with Image.open(report / "labels.png") as picture:
        assert (picture.format, picture.width > 600) == ("PNG", True)


def test_the_report_counts_what_the_query_counts(filled: Pipeline, report: Path) -> None:
    text = (report / "report.html").read_text()
    for row in json.loads(output_of(filled, "athena", "query", "labels_by_count", "--format", "json")):
        assert f'<td>{markupsafe.escape(row["label"])}</td><td class="number">{row["images"]}</td>' in text


def test_predictions_alerts_and_dead_letters_are_counted_side_by_side(filled: Pipeline, report: Path) -> None:
    text = (report / "report.html").read_text()
    figures = dict(re.findall(r"<dt[^>]*>(.*?)</dt><dd>(.*?)</dd>", text))
    counted = {name: int(figure.partition(" ")[0]) for name, figure in figures.items()}
    predictions, *parts, alerted, dead_letters = counted.values()
    assert predictions == sum(parts)
    assert alerted >= 4
    assert dead_letters == filled.depth("ImagesDeadLettersUrl") + filled.depth("PredictionsDeadLettersUrl")


def test_a_stack_of_something_else_is_named_in_one_line(running: Pipeline) -> None:
    cloudformation = running.session.local_aws.client("cloudformation")
    body = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    cloudformation.create_stack(StackName="website", TemplateBody=body)
    try:
        for command in (("athena", "up"), ("athena", "query", "labels_by_count"), ("report",)):
            process = run(running, *command, "--stack", "website")
            assert (process.returncode, len(process.stderr.splitlines())) == (1, 1), process.stderr
            assert "website" in process.stderr
    finally:
        cloudformation.delete_stack(StackName="website")


def test_days_without_images_make_a_report_that_says_so(filled: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "labels.png").write_bytes(b"of an earlier report")
    printed = output_of(filled, "report", "--to", "2020-01-01", "--out", str(tmp_path))
    assert printed.splitlines()[0] == str(tmp_path / "report.html")
    assert "No images." in (tmp_path / "report.html").read_text()
    assert not (tmp_path / "labels.png").exists()


def test_a_label_that_no_image_has_leaves_the_last_report_and_names_the_labels_that_exist(
    filled: Pipeline, tmp_path: Path
) -> None:
    (tmp_path / "report.html").write_text("of an earlier day")
    process = run(filled, "report", "--label", "leafsmut", "--out", str(tmp_path))
    assert process.returncode == 1
    assert process.stderr.startswith("labelwatch: No rows match.")
    assert "leaf-smut" in process.stderr
    assert (tmp_path / "report.html").read_text() == "of an earlier day"


@pytest.fixture(params=[(scheme, width) for scheme in ("light", "dark") for width in WIDTHS], ids="-".join)
def opened(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Page, list[str], str]]:
    """The page without a network, its requests and its errors, and the colour scheme."""
    scheme: Literal["light", "dark"]
    scheme, width = request.param
    context = browser.new_context(color_scheme=scheme, viewport={"width": WIDTHS[width], "height": 900}, offline=True)
    page = context.new_page()
    problems: list[str] = []
    page.on("request", lambda sent: None if sent.url.startswith(("data:", "file:")) else problems.append(sent.url))
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((report / "report.html").as_uri())
    page.wait_for_function("[...document.images].every(image => image.complete)")
    yield page, problems, scheme
    context.close()


def test_the_page_opens_offline_and_nothing_leaves_it(opened: tuple[Page, list[str], str]) -> None:
    page, problems, _ = opened
    charts, thumbnails = (
        page.evaluate(f"[...document.querySelectorAll('{kind} img')].map(image => image.naturalWidth)")
        for kind in ("picture", ".picture")
    )
    assert len(charts) == 3
    assert min(charts) > 300
    assert thumbnails[: len(SIZES)] == [320, 300, 320, 16]
    assert problems == []


def test_the_page_fits_the_screen_and_its_pictures_fit_the_colour_scheme(opened: tuple[Page, list[str], str]) -> None:
    page, _, scheme = opened
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    drawn = page.evaluate("document.querySelector('picture img').currentSrc")
    other = page.locator("picture source").first.get_attribute("srcset")
    assert (drawn == other) is (scheme == "dark")


def test_the_boxes_are_drawn_where_the_label_is(opened: tuple[Page, list[str], str]) -> None:
    page, _, _ = opened
    with Image.open(io.BytesIO(page.locator(".picture").first.screenshot())) as shot:
        shown = shot.convert("RGB")

    def colour_at(x: float, y: float) -> tuple[int, ...]:
        pixel = shown.getpixel((round(x * (shown.width - 1)), round(y * (shown.height - 1))))
        assert isinstance(pixel, tuple)
        return pixel

    right, bottom = BOX.left + BOX.width, BOX.top + BOX.height
    middle = BOX.left + BOX.width / 2, BOX.top + BOX.height / 2
    number = 1  # the position of leaf-smut among the labels of interest
    orange = tuple(bytes.fromhex(OKABE_ITO[number][1:]))
    for x, y in ((BOX.left, middle[1]), (right, middle[1]), (middle[0], BOX.top), (middle[0], bottom)):
        assert colour_at(x, y) == pytest.approx(orange, abs=12)
    for x, y in (middle, (0.15, 0.6), (0.5, 0.4), (0.5, 0.85)):
        assert colour_at(x, y) == pytest.approx(GREY, abs=6)


def test_the_boxes_are_as_large_as_the_picture(opened: tuple[Page, list[str], str]) -> None:
    page, _, _ = opened
    sizes = page.evaluate("""[...document.querySelectorAll(".picture:has(svg)")].map(picture =>
      ["img", "svg"].map(name => picture.querySelector(name).getBoundingClientRect()).map(box =>
        [box.left, box.top, box.width, box.height]))""")
    assert len(sizes) == len(SIZES)
    assert all(picture == pytest.approx(boxes, abs=1) for picture, boxes in sizes)
    for (_, (_, _, width, height)), size in zip(sizes, SIZES.values(), strict=True):
        assert width / height == pytest.approx(size[0] / size[1], rel=0.1)


def test_a_thumbnail_has_its_labels_and_the_link_of_its_image(opened: tuple[Page, list[str], str]) -> None:
    page, _, _ = opened
    first, hostile, *_ = page.locator(".thumbnails li").all()
    assert "leaf-smut 97.8 % in 2 boxes" in first.inner_text()
    assert HOSTILE in first.inner_text()
    assert "/reported-pictures/boxed.png?" in str(first.locator("a").get_attribute("href"))
    assert hostile.locator("a").inner_text() == list(SIZES)[1].removeprefix("field 1/")
    assert DELETED in page.locator(".thumbnails li").nth(len(SIZES)).inner_text()


def test_no_table_is_wider_than_its_card_and_no_text_of_a_chart_is_small(
    opened: tuple[Page, list[str], str],
) -> None:
    page, _, _ = opened
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate(
        "[...document.querySelectorAll('.scrolls')].every(table => table.scrollWidth <= table.clientWidth)"
    )
    font_sizes = page.evaluate("""[...document.querySelectorAll("picture img")].flatMap(image =>
      [...atob(image.currentSrc.split(",")[1]).matchAll(/font-size="([\\d.]+)px"/g)]
        .map(([, size]) => size * image.width / image.naturalWidth))""")
    assert min(font_sizes) >= SMALLEST_FONT


def test_the_cards_leave_no_gap(opened: tuple[Page, list[str], str]) -> None:
    page, _, _ = opened
    for width in (*WIDTHS.values(), 900):
        page.set_viewport_size({"width": width, "height": 900})
        gaps = page.evaluate("""() => {
          const ends = {}
          for (const card of document.querySelectorAll("section")) {
            const { top, right } = card.getBoundingClientRect()
            ends[top] = Math.max(ends[top] ?? 0, right)
          }
          const { right } = document.querySelector("main").getBoundingClientRect()
          return Object.values(ends).filter(end => end < right - 1)
        }""")
        assert gaps == []


def test_the_page_is_accessible(opened: tuple[Page, list[str], str]) -> None:
    page, _, _ = opened
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
