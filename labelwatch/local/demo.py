"""`labelwatch demo`: images in, alerts out, through the package that AWS would get."""

import io
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from chalicelib import settings
from chalicelib.domain.rules import Rules
from labelwatch.analytics import Narrowing, load_query
from labelwatch.deploy import package
from labelwatch.local import curl_uploads, host
from labelwatch.local import session as local
from labelwatch.local.classifier import Classifier
from labelwatch.local.defaults import CLIENT, MIN_CONFIDENCE, labels_of_interest
from labelwatch.local.deployment import STACK
from labelwatch.local.folder import exclusive
from labelwatch.local.image_set import ImageSet, load, validated
from labelwatch.local.outcomes import DeadLetterOutcome, OutcomeReader, PredictionOutcome
from labelwatch.local.result import Result, show, show_totals
from labelwatch.local.session import Session
from labelwatch.report import Scope, write_report
from labelwatch.shared.errors import UserError
from labelwatch.shared.text import counted
from labelwatch.uploads import tokens

SECONDS_TO_WAIT = 120
# Folder names with blanks, signs and another script, as people make them in the console.
FOLDERS = ("field 1", "field 2 (north)", "稲 田", "plot a+b", "100% organic")
NOT_AN_IMAGE = "field 1/notes.jpg"
UNKNOWN_PICTURE = "field 1/television.png"


def run(images: Path | None, folder: Path, cache: Path, console: Console) -> None:
    """Runs and shows the demo; raises UserError unless each uploaded image is accounted for."""
    curl_uploads.check_curl()
    images = validated(images, folder)
    with exclusive(folder):
        _run(images, folder, cache, console)


def _run(images: Path | None, folder: Path, cache: Path, console: Console) -> None:
    console.print(host.note(), end="")
    if images is None:
        console.print(
            "The images are drawn leaves. For your own photographs: make demo IMAGES=folder (a sub-folder per label)."
        )
    with _progress(console) as progress:
        image_set, classifier = _prepare(images, folder, cache, progress, console)
        labels = labels_of_interest(list(image_set.training))
        with _step(progress, "Packaging"):
            packaged = package(folder / "package")
        with ExitStack() as stack:
            with _step(progress, "Starting the local AWS"):
                session = stack.enter_context(
                    local.running(
                        folder, packaged, classifier, labels_of_interest=labels, min_confidence=MIN_CONFIDENCE
                    )
                )
            result = _upload_and_wait(session, image_set, progress)
            _download_rows(session, result, folder)
            counts = {
                str(row["label"]): int(row["images"] or 0)
                for row in session.athena.query(load_query("labels_by_count").sql).records
            }
            with _step(progress, "Writing the report"):
                parameters = {"LabelsofInterest": labels, "MinConfidence": f"{MIN_CONFIDENCE:g}"}
                scope = Scope(f"{STACK} (demo)", parameters | session.outputs, Narrowing())
                # The links would end with the local AWS.
                report = write_report(session.local_aws.client, session.athena, scope, folder, address_of=None)
    console.print(f"\nLabels of interest: {labels} (default threshold: {MIN_CONFIDENCE:g})\n")
    show(console, result, counts, Rules(settings.labels_of_interest(labels), MIN_CONFIDENCE))
    show_totals(console, result, folder, report)
    if missing := result.unaccounted_for:
        raise UserError(
            f"{counted(len(missing), 'upload')} not accounted for after {SECONDS_TO_WAIT} s, such as {missing[0]!r}. "
            f"Read the local AWS's log in {folder / 'aws'}, then run the command again."
        )


def _prepare(
    images: Path | None, folder: Path, cache: Path, progress: Progress, console: Console
) -> tuple[ImageSet, Classifier]:
    with _step(progress, "Preparing the images"):
        image_set = load(images, folder / "leaves")
    console.print(
        f"{image_set.summary}\nHalf of the uploads use curl and presigned uploads, half use AWS credentials. "
        "Two more have no label: a picture of noise, and a file that is not an image."
    )
    task = progress.add_task("Training the local model", total=image_set.training_count)
    classifier = image_set.classifier(cache, lambda: progress.advance(task))
    progress.update(task, completed=image_set.training_count)
    return image_set, classifier


def _upload_and_wait(session: Session, image_set: ImageSet, progress: Progress) -> Result:
    images = [(label, path) for label, paths in image_set.uploads.items() for path in paths]
    uploads = _upload_presigned(session, [path for _, path in images[::2]], progress)
    uploads += _upload_with_credentials(session, _objects_to_upload(images[1::2]), progress)
    task = progress.add_task("Waiting for the outcomes", total=len(uploads))
    reader = OutcomeReader(session)
    predictions: dict[str, PredictionOutcome] = {}
    dead_letters: dict[str, DeadLetterOutcome] = {}
    until = time.monotonic() + SECONDS_TO_WAIT
    while True:
        predictions |= {prediction.key: prediction for prediction in reader.new_predictions()}
        dead_letters |= {dead_letter.key: dead_letter for dead_letter in reader.new_dead_letters()}
        result = Result(tuple(uploads), predictions, dead_letters, tuple(session.mailbox.mails))
        progress.update(task, completed=len(uploads) - len(result.unaccounted_for))
        if not result.unaccounted_for or time.monotonic() > until:
            return result
        time.sleep(0.2)


def _download_rows(session: Session, result: Result, folder: Path) -> None:
    s3 = session.local_aws.client("s3")
    for prediction in result.predictions.values():
        file = folder / prediction.row_key
        file.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(local.OUTPUT_BUCKET, prediction.row_key, str(file))


def _upload_presigned(session: Session, files: list[Path], progress: Progress) -> list[str]:
    """Uploads as a client without AWS credentials; the keys that the service chose."""
    token = tokens.create(session.tokens, CLIENT)
    return [
        curl_uploads.upload(session.api, token, file) for file in progress.track(files, description="Uploading by curl")
    ]


def _upload_with_credentials(session: Session, contents: dict[str, bytes], progress: Progress) -> list[str]:
    """Uploads as the console and the AWS CLI do; the keys."""
    s3 = session.local_aws.client("s3")
    s3.put_object(Bucket=local.INPUT_BUCKET, Key=f"{FOLDERS[0]}/", Body=b"")  # the console's folder marker
    for key, content in progress.track(contents.items(), description="Uploading by credentials"):
        s3.put_object(Bucket=local.INPUT_BUCKET, Key=key, Body=content)
    return list(contents)


def _objects_to_upload(images: list[tuple[str, Path]]) -> dict[str, bytes]:
    """Contents by key: the images, a file that is no image, and a picture of nothing known."""
    contents = {
        f"{FOLDERS[index % len(FOLDERS)]}/{label}/{path.name}": path.read_bytes()
        for index, (label, path) in enumerate(images)
    }
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    picture = io.BytesIO()
    Image.fromarray(noise).save(picture, "PNG")
    return contents | {UNKNOWN_PICTURE: picture.getvalue(), NOT_AN_IMAGE: b"Spray on Tuesday.\n"}


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<26}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


@contextmanager
def _step(progress: Progress, description: str) -> Iterator[None]:
    task = progress.add_task(description, total=1)
    yield
    progress.advance(task)
