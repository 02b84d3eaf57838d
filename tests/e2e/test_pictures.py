"""From an alert's mail by its link to the picture page: in a browser, and under attack."""

from __future__ import annotations

import email
import email.policy
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, urljoin, urlsplit

import boto3
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from botocore.exceptions import ClientError
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page

from chalicelib.adapters.dynamodb import LinkTable
from chalicelib.domain.links import digest_of, new_link
from chalicelib.domain.predictions import BoundingBox, Label
from chalicelib.domain.rows import row_key
from chalicelib.domain.text import in_ascii, linkless, printable
from chalicelib.steps.detect import encoded
from labelwatch.local.ministack import REGION
from labelwatch.local.session import INPUT_BUCKET
from labelwatch.uploads import tokens
from tests.e2e.test_report import SMALLEST_FONT, WIDTHS
from tests.e2e.test_uploads import JSON, fuzz, messages_of, request
from tests.support import handler_environment
from tests.support.builders import image, prediction
from tests.support.pipeline import Pipeline, functions, set_environment
from tests.unit.test_alerts import LINKS

GREY = (128, 128, 128)  # for which the local model predicts nothing
ORANGE = (0xE6, 0x9F, 0x00)  # the colour of leaf-smut, the second label of interest
MIDDLE = BoundingBox(0.25, 0.25, 0.5, 0.5)
SMUT = Label("leaf-smut", 97.84, MIDDLE)
HTML, AS_JSON = {"Accept": "text/html"}, {"Accept": "application/json"}
# They differ from answer to answer, whatever was requested.
OF_EACH_ANSWER = {"date", "x-amzn-requestid", "x-amz-request-id"}
HOSTILE = {
    "html": "<script>document.title=1</script>",
    "attribute": "\"'><img src=x onerror=alert(1)>",
    "style": "</style><svg onload=alert(1)>",
    "reversed": "\u202egpj.exe",
    "formula": '=HYPERLINK("http://a.de","b")',
    "address": "javascript:alert(1)",
    "domain": "confirm.example.com",
    "template": "{{ 7 * 7 }}{% raw %}",
    "long": "x" * 450,
}

SIZES = {"large": (4000, 3000), "tall": (600, 3000), "wide": (3000, 400), "tiny": (64, 64)}
NAMES = ["leaf-smut", "bacterial-leaf-blight", "بقع الأوراق البنية", "葉のいもち病と褐色斑点病"]
EVERYWHERE = [
    Label(NAMES[number % 4], 99, BoundingBox(number % 10 / 10, number // 10 / 10, 0.1, 0.1)) for number in range(100)
]


class Alert(NamedTuple):
    """An alert of one picture as its mail says it, and the link in it; `key` is that of the rows."""

    subject: str
    text: str
    link: str
    key: str

    @property
    def link_id(self) -> str:
        return self.link.rpartition("/")[2]


class Answer(NamedTuple):
    """An answer of the API, without the headers that differ each time."""

    status: int
    headers: dict[str, str]
    body: bytes


def plain(width: int = 800, height: int = 600) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (width, height), GREY).save(content, "JPEG")
    return content.getvalue()


def send(pipeline: Pipeline, key: str, *labels: Label, content: bytes | None = None, **stored: Any) -> str:
    """Uploads a picture and sends its prediction, with boxes, which the local model does not give; the rows' key."""
    pipeline.upload(key, content=content or plain(), **stored)
    head = pipeline.session.local_aws.client("s3").head_object(Bucket=INPUT_BUCKET, Key=key)
    of_image = image(
        key, bucket=INPUT_BUCKET, version_id=head["VersionId"], etag=head["ETag"].strip('"'),
        metadata=head["Metadata"], content_type=head["ContentType"], uploaded_at=head["LastModified"],
    )  # fmt: skip
    predicted = prediction(*labels, image=of_image, detected_at=datetime.now(UTC))
    url = pipeline.outputs["PredictionsQueueUrl"]
    pipeline.session.local_aws.client("sqs").send_message(QueueUrl=url, MessageBody=encoded(predicted))
    return row_key(predicted)


@pytest.fixture(scope="module", autouse=True)
def _removed_rows(running: Pipeline) -> Iterator[None]:
    """Removes the rows that this file adds: the pipeline is shared, and reports show the newest pictures."""
    s3, bucket = running.session.local_aws.client("s3"), running.outputs["OutputBucket"]

    def keys() -> set[str]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="predictions/")
        return {row["Key"] for page in pages for row in page.get("Contents", [])}

    before = keys()
    yield
    for key in keys() - before:
        s3.delete_object(Bucket=bucket, Key=key)


def alert_of(pipeline: Pipeline, key: str) -> Alert:
    """The alert of the picture with these rows, from its mail."""
    mails = pipeline.session.mailbox.mails
    pipeline.wait_until(lambda: any(key in mail.predictions for mail in mails), "an alert")
    (file,) = [mail.file for mail in mails if key in mail.predictions]
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    text = mail.get_content()
    return Alert(mail["Subject"], text, next(iter(re.findall(r"(?m)^https?://\S+$", text)), ""), key)


@pytest.fixture(scope="module")
def unusual(running: Pipeline) -> dict[str, Alert]:
    """The alerts of pictures with hostile names and metadata, and of pictures of several sizes with a hundred boxes."""
    notify, setting = functions(running.session)["Notify"], "LabelsofInterest"
    set_environment(running.session, notify, **{setting: "*"})
    keys = {
        kind: send(
            running, f"{text.replace('/', '|')}/{text}.jpg", Label(text, 97, MIDDLE), Metadata={"note": ascii(text)}
        )
        for kind, text in HOSTILE.items()
    } | {size: send(running, f"{size}/葉.jpg", *EVERYWHERE, content=plain(*SIZES[size])) for size in SIZES}
    alerts = {name: alert_of(running, key) for name, key in keys.items()}
    set_environment(running.session, notify, **{setting: running.outputs[setting]})
    return alerts


@pytest.fixture(scope="module")
def alert(running: Pipeline) -> Alert:
    """An alert of a plain grey picture with one box in its middle."""
    found = alert_of(running, send(running, "field-3/IMG_0042.JPG", SMUT, Label("rust", 40)))
    running.wait_until_empty()
    return found


def answer_of(url: str, method: str = "GET", **headers: str) -> Answer:
    """The answer to a request with exactly this path, as soon as the limit of requests lets it through."""
    parts = urlsplit(url)
    while True:
        connection = HTTPConnection(parts.netloc, timeout=60)
        connection.request(method, url.removeprefix(f"http://{parts.netloc}"), headers=headers)
        received = connection.getresponse()
        fields = {name.lower(): value for name, value in received.getheaders()}
        answer = Answer(
            received.status, {name: fields[name] for name in fields.keys() - OF_EACH_ANSWER}, received.read()
        )
        connection.close()
        if answer.status != 429:
            return answer
        time.sleep(0.3)


# --- In a browser


class Opened(NamedTuple):
    """A page in a browser, and what went wrong in it: its errors and dialogs."""

    page: Page
    problems: list[str]
    scheme: str
    width: str


def opened_in(browser: Browser, url: str, scheme: str = "light", width: str = "desk") -> Opened:
    colours: Literal["light", "dark"] = "dark" if scheme == "dark" else "light"
    page = browser.new_page(color_scheme=colours, viewport={"width": WIDTHS[width], "height": 900})
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if not message.location.get("url", "").endswith("/favicon.ico"):
            problems.append(message.text)

    def dismiss(dialog: Dialog) -> None:
        problems.append(dialog.message)
        dialog.dismiss()

    page.on("console", note)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", dismiss)
    page.goto(url)
    page.wait_for_function("[...document.images].every(image => image.complete)")
    return Opened(page, problems, scheme, width)


SCREENS = [(scheme, width) for scheme in ("light", "dark") for width in WIDTHS]


@pytest.fixture(scope="module", params=SCREENS, ids="-".join)
def opened(browser: Browser, alert: Alert, request: pytest.FixtureRequest) -> Iterator[Opened]:
    found = opened_in(browser, alert.link, *request.param)
    yield found
    found.page.close()


def test_the_link_of_a_mail_opens_the_picture_without_an_error(opened: Opened) -> None:
    assert opened.page.evaluate("document.images[0].naturalWidth") == 800
    assert "leaf-smut 98 % in field-3" in opened.page.inner_text("h1")
    assert opened.problems == []


def test_an_outline_is_drawn_where_the_model_saw_a_label(opened: Opened) -> None:
    shown = Image.open(io.BytesIO(opened.page.locator(".picture").screenshot())).convert("RGB")
    edges = [(0.25, 0.5), (0.75, 0.5), (0.5, 0.25), (0.5, 0.75)]
    assert [near(shown, *edge, ORANGE) for edge in edges] == [True] * 4
    assert [near(shown, *point, GREY) for point in ((0.5, 0.5), (0.1, 0.5), (0.9, 0.9))] == [True] * 3


def near(shown: Image.Image, across: float, down: float, colour: tuple[int, int, int]) -> bool:
    """Whether a pixel within two of this position has about this colour."""
    x, y = round(across * shown.width), round(down * shown.height)
    around = np.asarray(shown.crop((x - 2, y - 2, x + 3, y + 3)))
    return bool((np.abs(around - np.array(colour)).max(axis=2) < 12).any())


def test_the_page_has_the_colours_of_the_scheme(opened: Opened) -> None:
    background = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background))) / 3
    assert (brightness < 128) is (opened.scheme == "dark")


def test_nothing_scrolls_sideways(opened: Opened) -> None:
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_no_text_is_small(opened: Opened) -> None:
    sizes = opened.page.evaluate("""[...document.querySelectorAll("main *")].filter(each => each.textContent.trim())
      .map(each => parseFloat(getComputedStyle(each).fontSize))""")
    assert min(sizes) >= SMALLEST_FONT


def test_tab_reaches_the_picture_and_the_console_and_shows_where_it_is(opened: Opened) -> None:
    opened.page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(2):
        opened.page.keyboard.press("Tab")
        reached.append(
            opened.page.evaluate("""() => {
          const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement)
          return [document.activeElement.href, outlineStyle, parseFloat(outlineWidth) >= 2]
        }""")
        )
    assert [link.rpartition("/")[2].partition("?")[0] for link, _, _ in reached] == ["image", INPUT_BUCKET]
    assert [(style, thick) for _, style, thick in reached] == [("solid", True)] * 2


def test_the_page_is_accessible(opened: Opened) -> None:
    results = Axe().run(opened.page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_link_that_does_not_work_is_accessible(browser: Browser, alert: Alert, scheme: str) -> None:
    page = opened_in(browser, alert.link[:-1] + "1", scheme, "phone").page
    assert "does not work" in page.inner_text("h1")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    page.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("size", SIZES)
def test_no_caption_leaves_the_picture(browser: Browser, unusual: dict[str, Alert], size: str, width: str) -> None:
    page = opened_in(browser, unusual[size].link, width=width).page
    outside = page.evaluate("""() => {
      const edges = each => each.getBoundingClientRect()
      const picture = edges(document.images[0])
      return [...document.querySelectorAll("svg text")].filter(text => getComputedStyle(text).display != "none")
        .filter(text => edges(text).left < picture.left - 1 || edges(text).right > picture.right + 1
          || edges(text).top < picture.top - 1 || edges(text).bottom > picture.bottom + 1)
        .map(text => text.textContent)
    }""")
    assert outside == []
    page.close()


@pytest.mark.parametrize(("width", "captions"), [("phone", 8), ("desk", 20)])
def test_a_picture_has_captions_and_a_small_screen_shows_fewer(
    browser: Browser, unusual: dict[str, Alert], width: str, captions: int
) -> None:
    page = opened_in(browser, unusual["large"].link, width=width).page
    assert page.locator("svg text:visible").count() == captions
    page.close()


# --- Text of others


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names_are_plain_text_in_the_page(browser: Browser, unusual: dict[str, Alert], kind: str) -> None:
    page, problems, *_ = opened_in(browser, unusual[kind].link)
    assert printable(HOSTILE[kind])[:40] in page.inner_text("h1")
    assert problems == []
    assert page.locator("script, iframe, object, embed, form, base, link, img[src=x]").count() == 0
    names = page.evaluate("[...document.querySelectorAll('*')].flatMap(each => each.getAttributeNames())")
    assert [name for name in names if name.startswith("on")] == []
    assert page.locator("a").count() == 2
    page.close()


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names_are_plain_text_in_the_mail(unusual: dict[str, Alert], kind: str) -> None:
    subject, text, link, _ = unusual[kind]
    assert linkless(in_ascii(HOSTILE[kind]))[:20] in subject
    assert subject.isprintable()
    assert LINKS.match(subject) is None
    assert [found.url for found in LINKS.match(text) or []] == [link]


def test_html_under_the_name_of_a_picture_is_only_downloaded(pipeline: Pipeline, browser: Browser) -> None:
    """The signed address asks for the type; that S3 then sends it is in tests/integration/test_s3_adapter.py."""
    html = b"<script>document.title='taken'</script>"
    of_html = alert_of(pipeline, send(pipeline, "html/leaf.jpg", SMUT, content=html, ContentType="text/html"))
    page = opened_in(browser, of_html.link).page
    assert page.locator("img").count() == 0
    redirect = answer_of(f"{of_html.link}/image")
    query = parse_qs(urlsplit(redirect.headers["location"]).query)
    assert query["response-content-type"] == ["application/octet-stream"]
    assert query["response-content-disposition"] == ["attachment"]
    page.close()


def test_a_picture_that_is_stored_as_html_is_shown_as_the_picture_that_it_is(pipeline: Pipeline) -> None:
    stored = alert_of(pipeline, send(pipeline, "stored-as-html/leaf.jpg", SMUT, ContentType="text/html"))
    query = parse_qs(urlsplit(answer_of(f"{stored.link}/image").headers["location"]).query)
    assert query["response-content-type"] == ["image/jpeg"]


# --- Attacks


@pytest.fixture(scope="module")
def links(running: Pipeline) -> LinkTable:
    return LinkTable(running.session.local_aws.client("dynamodb"), running.outputs["TableName"])


def expired(links: LinkTable, alert: Alert) -> str:
    """The id of another link to the picture, which expired a second ago."""
    link_id, link = new_link(alert.key, "field-3", datetime.now(UTC) - timedelta(days=30, seconds=1))
    links.add(link)
    return link_id


def revoked(links: LinkTable, alert: Alert) -> str:
    link_id, link = new_link(alert.key, "field-3", datetime.now(UTC))
    links.add(link)
    assert links.revoke(link.digest)
    return link_id


def without_rows(links: LinkTable, _: Alert) -> str:
    """The id of a link whose prediction was deleted."""
    link_id, link = new_link("predictions/dt=2026-11-22/deleted.json", "field-3", datetime.now(UTC))
    links.add(link)
    return link_id


NO_LINKS: dict[str, Callable[[LinkTable, Alert], str]] = {
    "expired": expired,
    "revoked": revoked,
    "without rows": without_rows,
    "guessed": lambda _, alert: alert.link_id[:-1] + ("a" if alert.link_id[-1] != "a" else "b"),
    "the hash": lambda _, alert: digest_of(alert.link_id) or "",
    "in capitals": lambda _, alert: alert.link_id.upper(),
    "too short": lambda _, alert: alert.link_id[:-1],
    "too long": lambda _, alert: alert.link_id + "a",
    "very long": lambda *_: "a" * 5000,
    "with a space": lambda _, alert: f"%20{alert.link_id}",
    "with a line break": lambda _, alert: f"{alert.link_id}%0a",
    "with a zero byte": lambda _, alert: f"{alert.link_id}%00",
    "with a parameter": lambda _, alert: f"{alert.link_id};a=b",
    "foreign": lambda *_: "%E7%A8%B2" * 32,
    "fullwidth": lambda *_: "%EF%BD%81" * 32,
    "no utf-8": lambda *_: "%FF%FE" * 16,
    "a wildcard": lambda *_: "*",
    "a query": lambda *_: "{%22$ne%22:null}",
}


@pytest.fixture(scope="module")
def unknown(alert: Alert) -> list[Answer]:
    return of_all_kinds(alert.link.replace(alert.link_id, new_link("", "", datetime.now(UTC))[0]))


def of_all_kinds(link: str) -> list[Answer]:
    """The page as HTML and as JSON, and its picture."""
    return [answer_of(link, **HTML), answer_of(link, **AS_JSON), answer_of(f"{link}/image")]


@pytest.mark.parametrize("name", NO_LINKS)
def test_a_link_that_does_not_work_never_says_why(
    links: LinkTable, alert: Alert, unknown: list[Answer], name: str
) -> None:
    assert [answer.status for answer in unknown] == [404] * 3
    assert of_all_kinds(alert.link.replace(alert.link_id, NO_LINKS[name](links, alert))) == unknown


PATHS = [
    "/p/", "/p/../uploads", "/p/..%2fuploads", "/p/%2e%2e/uploads", "/p/{0}/..", "/p/{0}/../{0}", "/p/{0}/image/x",
    "/p/{0}%2f..%2fx",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_path_with_more_than_an_id_reaches_nothing(alert: Alert, path: str) -> None:
    answer = answer_of(alert.link.rpartition("/p/")[0] + path.format(alert.link_id))
    assert (answer.status, b"NotFound" in answer.body) == (404, True)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_no_method_but_get_has_an_answer(pipeline: Pipeline, alert: Alert, method: str) -> None:
    before = everything_in(pipeline)
    answers = [answer_of(f"{alert.link}{path}", method, **JSON) for path in ("", "/image")]
    assert [answer.status for answer in answers] == [404] * 2
    assert "field-3" not in str(answers)
    assert everything_in(pipeline) == before


@pytest.mark.parametrize(("path", "status"), [("", 200), ("/image", 302)])
def test_a_foreign_host_is_nowhere_in_the_answer(pipeline: Pipeline, alert: Alert, path: str, status: int) -> None:
    """By an event of the function: the local AWS refuses such a request, and API Gateway does not."""
    event = handler_environment.request("GET", f"/p/{alert.link_id}{path}")
    event |= {"resource": f"/p/{{link_id}}{path}", "pathParameters": {"link_id": alert.link_id}}
    event["requestContext"]["resourcePath"] = event["resource"]
    foreign = {"Accept": "text/html", "Host": "evil.example.com", "X-Forwarded-Host": "evil.example.com"}
    event["headers"] |= foreign
    event["multiValueHeaders"] |= {name: [value] for name, value in foreign.items()}
    function = functions(pipeline.session)["APIHandler"]
    invoked = pipeline.session.local_aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    answer = json.load(invoked["Payload"])
    assert answer["statusCode"] == status, answer
    assert "evil" not in str(answer)


def everything_in(pipeline: Pipeline) -> tuple[list[Any], list[Any]]:
    """All items of the table, and all versions of the objects in the stack's buckets."""
    aws, outputs = pipeline.session.local_aws, pipeline.outputs
    items = aws.client("dynamodb").scan(TableName=outputs["TableName"])["Items"]
    paginator = aws.client("s3").get_paginator("list_object_versions")
    buckets = [outputs[name] for name in ("InputBucket", "OutputBucket", "WorkspaceBucket")]
    pages = [page for bucket in buckets for page in paginator.paginate(Bucket=bucket)]
    versions = [(each["Key"], each["VersionId"], each["ETag"]) for page in pages for each in page.get("Versions", [])]
    markers = [each for page in pages for each in page.get("DeleteMarkers", [])]
    return sorted(items, key=str), [*versions, *markers]


def test_a_scanner_that_follows_each_link_changes_nothing(pipeline: Pipeline, alert: Alert) -> None:
    before = everything_in(pipeline)
    page = answer_of(alert.link).body.decode()
    addresses = re.findall(r'(?:href|src)="([^"]+)"', page) + re.findall(r"https?://\S+", alert.text)
    followed = {urljoin(alert.link, address.replace("&amp;", "&")) for address in addresses}
    local = {address for address in followed if address.startswith(pipeline.session.local_aws.endpoint)}
    assert len(local) == 3  # the page, its picture, and the redirect to it
    for address in local:
        for method in ("HEAD", "GET"):
            answer = answer_of(address, method)
            if "location" in answer.headers:
                answer_of(answer.headers["location"], method)
    assert everything_in(pipeline) == before


def test_the_page_of_a_link_that_works_keeps_its_contract(pipeline: Pipeline, alert: Alert, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(f'parameters = {{ "path.link_id" = "{alert.link_id}" }}')
    token = tokens.create(pipeline.session.tokens, "camera-of-contract")
    output = fuzz(pipeline, token, tmp_path, "--max-examples", "20", "--include-path-regex", "^/p/")
    assert re.search(r"Tested: 2\b", output)


def test_a_link_works_more_than_once(alert: Alert) -> None:
    assert {answer_of(alert.link).status for _ in range(3)} == {200}


def test_a_token_shows_no_page(pipeline: Pipeline, alert: Alert, unknown: list[Answer]) -> None:
    token = tokens.create(pipeline.session.tokens, "camera-of-pages")
    assert of_all_kinds(alert.link.replace(alert.link_id, token)) == unknown
    missing = alert.link.replace(alert.link_id, "a" * 32)
    assert answer_of(missing, Authorization=f"Bearer {token}", **HTML) == unknown[0]


def test_a_link_uploads_nothing(pipeline: Pipeline, alert: Alert) -> None:
    for forged in (alert.link_id, f"labelwatch_field-3_{alert.link_id}", f"labelwatch_field-3_{alert.link_id:a<43}"):
        assert request(pipeline.session.api, forged).status_code in {401, 403}


def test_no_id_is_in_the_table_or_a_bucket(pipeline: Pipeline, alert: Alert) -> None:
    assert str(digest_of(alert.link_id)) in str(everything_in(pipeline))
    assert alert.link_id not in str(everything_in(pipeline))
    rows = pipeline.session.local_aws.client("s3").get_object(Bucket=pipeline.outputs["OutputBucket"], Key=alert.key)
    assert alert.link_id not in rows["Body"].read().decode()


def test_no_id_is_in_any_log(pipeline: Pipeline, alert: Alert) -> None:
    of_all_kinds(alert.link)
    of_all_kinds(alert.link[:-1])
    groups = pipeline.session.local_aws.client("logs").describe_log_groups()["logGroups"]
    messages = [message for group in groups for message in messages_of(pipeline, group["logGroupName"])]
    assert [message for message in messages if "alert published" in message]
    assert [message for message in messages if "LinksRejected" in message]
    assert not [message for message in messages if alert.link_id[:-1] in message]


def test_a_picture_that_was_deleted_leaves_its_labels(pipeline: Pipeline) -> None:
    deleted = alert_of(pipeline, send(pipeline, "field-3/deleted.jpg", SMUT))
    s3 = pipeline.session.local_aws.client("s3")
    (version,) = s3.list_object_versions(Bucket=INPUT_BUCKET, Prefix="field-3/deleted.jpg")["Versions"]
    s3.delete_object(Bucket=INPUT_BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    page = answer_of(deleted.link)
    assert (page.status, b"no longer in its bucket" in page.body) == (200, True)


# --- The rights of the API


@pytest.fixture(scope="module")
def of_api(running: Pipeline) -> Callable[[str], Any]:
    """Makes clients with the credentials of the API's role."""
    sts = running.session.local_aws.client("sts")
    assumed = sts.assume_role(RoleArn=running.outputs["ApiHandlerRoleArn"], RoleSessionName="attacker")["Credentials"]
    return lambda service: boto3.client(  # type: ignore[call-overload]
        service, endpoint_url=running.session.local_aws.endpoint, region_name=REGION,
        aws_access_key_id=assumed["AccessKeyId"], aws_secret_access_key=assumed["SecretAccessKey"],
        aws_session_token=assumed["SessionToken"],
    )  # fmt: skip


def test_the_role_of_the_api_reads_what_a_link_stands_for(
    running: Pipeline, alert: Alert, of_api: Callable[[str], Any]
) -> None:
    item = {"kind": {"S": "link"}, "id": {"S": digest_of(alert.link_id) or ""}}
    assert of_api("dynamodb").get_item(TableName=running.outputs["TableName"], Key=item)["Item"]
    assert of_api("s3").get_object(Bucket=running.outputs["OutputBucket"], Key=alert.key)


@pytest.mark.parametrize("call", ["scan", "query", "delete_item"])
def test_the_role_of_the_api_lists_and_changes_no_link(
    running: Pipeline, of_api: Callable[[str], Any], call: str
) -> None:
    item = {"kind": {"S": "link"}, "id": {"S": "0" * 64}}
    of_kind = {"KeyConditionExpression": "kind = :kind", "ExpressionAttributeValues": {":kind": {"S": "link"}}}
    parameters: dict[str, dict[str, Any]] = {"query": of_kind, "delete_item": {"Key": item}}
    request_of = getattr(of_api("dynamodb"), call)
    assert denied(lambda: request_of(TableName=running.outputs["TableName"], **parameters.get(call, {})))


OTHERS = [
    ("OutputBucket", "other/secret.txt"), ("OutputBucket", "predictions"), ("WorkspaceBucket", "predictions/secret.txt")
]  # fmt: skip


@pytest.mark.parametrize(("output", "key"), OTHERS)
def test_the_role_of_the_api_reads_no_other_object(
    running: Pipeline, of_api: Callable[[str], Any], output: str, key: str
) -> None:
    s3 = running.session.local_aws.client("s3")
    s3.put_object(Bucket=running.outputs[output], Key=key, Body=b"secret")
    try:
        assert denied(lambda: of_api("s3").get_object(Bucket=running.outputs[output], Key=key))
    finally:
        s3.delete_object(Bucket=running.outputs[output], Key=key)


@pytest.mark.parametrize("output", ["InputBucket", "OutputBucket", "WorkspaceBucket"])
def test_the_role_of_the_api_lists_no_bucket(running: Pipeline, of_api: Callable[[str], Any], output: str) -> None:
    assert denied(lambda: of_api("s3").list_objects_v2(Bucket=running.outputs[output]))


def denied(call: Callable[[], object]) -> bool:
    with pytest.raises(ClientError) as refusal:
        call()
    return refusal.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}


# --- Limits and the setting


@pytest.fixture
def without_picture_links(pipeline: Pipeline) -> Iterator[None]:
    for value in ("no", "yes"):
        for name in ("Notify", "APIHandler"):
            set_environment(pipeline.session, functions(pipeline.session)[name], PICTURE_LINKS=value)
        if value == "no":
            yield


@pytest.mark.usefixtures("without_picture_links")
def test_without_picture_links_an_alert_has_none_and_older_links_do_not_work(
    pipeline: Pipeline, alert: Alert, unknown: list[Answer]
) -> None:
    assert "http" not in alert_of(pipeline, send(pipeline, "without/link.jpg", SMUT)).text
    assert of_all_kinds(alert.link) == unknown
