"""The packaged template and zip, deployed into the local AWS once for all end-to-end tests."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from labelwatch.deploy import Package
from labelwatch.local import session as local
from labelwatch.local.model import CALLS_PER_SECOND, RateLimit
from tests.least_privilege import rights
from tests.support.package import made_once
from tests.support.pipeline import (
    ORIGIN,
    SECONDS_TO_WAIT,
    ColourClassifier,
    Pipeline,
    functions,
    run_manage_model,
    set_environment,
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pytest_addoption(parser: pytest.Parser) -> None:
    options = parser.getgroup("labelwatch", "end-to-end tests, as `make least-privilege` runs them")
    options.addoption("--package", metavar="FOLDER", help="deploy the package in this folder, such as build")
    options.addoption("--without", metavar="RIGHT", help="take ROLE/SID/ACTION[/RESOURCE] out of the template first")
    options.addoption("--wait-seconds", metavar="SECONDS", type=float, help="how long a test waits for a condition")


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Package:
    # With a default: in a run of all tests, pytest loads this file after it has parsed the command line.
    folder, right = (pytestconfig.getoption(name, None) for name in ("--package", "--without"))
    packaged = (
        Package(Path(folder) / "template.json", Path(folder) / "deployment.zip")
        if folder
        else made_once(tmp_path_factory)
    )
    if not right:
        return packaged
    template = tmp_path_factory.mktemp("package") / "without.json"
    template.write_text(json.dumps(rights.without(json.loads(packaged.template.read_text()), right)))
    return packaged._replace(template=template)


@pytest.fixture(scope="session")
def running(
    tmp_path_factory: pytest.TempPathFactory, packaged: Package, pytestconfig: pytest.Config
) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("session")
    with local.running(
        folder,
        packaged,
        ColourClassifier(),
        labels_of_interest="bacterial-leaf-blight, leaf-smut:90",
        min_confidence=50,
        upload_origin=ORIGIN,
    ) as session:
        pipeline = Pipeline(session, pytestconfig.getoption("--wait-seconds", None) or SECONDS_TO_WAIT)
        pipeline.wait_until_empty()  # of S3's test event: a function that is changed while it runs defers it
        session.local_aws.disable_schedules()
        # Retries after one second, deferred messages after two; on AWS after minutes.
        for function in functions(session).values():
            set_environment(session, function, RETRY_SECONDS="1", DEFER_SECONDS="2")
        yield pipeline


@pytest.fixture
def pipeline(running: Pipeline, request: pytest.FixtureRequest) -> Iterator[Pipeline]:
    """The shared pipeline; the local model is reset after each test."""
    yield running
    if running.local_model.status != "RUNNING":
        running.local_model.status = "RUNNING"
        run_manage_model(running.session)
    running.local_model.rate = RateLimit(CALLS_PER_SECOND)
    running.local_model.error_rates = {}
    if not request.session.shouldfail:  # else this test is the last
        running.wait_until_empty()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("Chromium, in which pages are opened, is not installed")
    with sync_playwright() as playwright:
        # Without its sandbox, which root does not have; the pages are our own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
