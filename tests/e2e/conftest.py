"""The packaged template and zip, deployed into the embedded cloud once for all end-to-end tests."""

from collections.abc import Iterator

import pytest

from labelwatch.local import session as local
from labelwatch.local.standin import CALLS_PER_SECOND, RateLimit
from labelwatch.package import Package, package
from tests.e2e.pipeline import ORIGIN, ByColour, Pipeline, functions, set_environment


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, packaged: Package) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("session")
    with local.running(
        folder,
        packaged,
        ByColour(),
        labels_of_interest="bacterial-leaf-blight, leaf-smut:90",
        min_confidence=50,
        upload_origin=ORIGIN,
    ) as session:
        pipeline = Pipeline(session)
        pipeline.wait_until_empty()  # S3's test event: a function that is changed while it runs leaves it for later
        # Retries after a second and waits of two: on AWS they are of minutes and hours.
        for function in functions(session).values():
            set_environment(session, function, RETRY_SECONDS="1", WAIT_SECONDS="2")
        yield pipeline


@pytest.fixture
def pipeline(running: Pipeline) -> Iterator[Pipeline]:
    """The shared pipeline, with a model that behaves; what a test told the stand-in is forgotten after it."""
    yield running
    running.standin.status = "RUNNING"
    running.standin.rate = RateLimit(CALLS_PER_SECOND)
    running.standin.error_rates = {}
    running.wait_until_empty()
