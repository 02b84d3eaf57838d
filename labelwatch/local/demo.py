"""`labelwatch demo`: images in, alerts out, through the package that AWS would get."""

import io
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from labelwatch.analytics import Narrowing, load_query
from labelwatch.deploy import package
from labelwatch.local import curl_uploads
from labelwatch.local import session as local
from labelwatch.local.defaults import CLIENT, MIN_CONFIDENCE, NO_FOLDER, labels_of_interest
from labelwatch.local.deployment import STACK
from labelwatch.local.folder import exclusive
from labelwatch.local.image_set import ImageSet, load, validated
from labelwatch.local.ministack import check_machine
from labelwatch.local.outcomes import DeadLetterOutcome, OutcomeReader, PredictionOutcome
from labelwatch.local.result import Result, show
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
    check_machine()
    curl_uploads.check_curl()
    images = validated(images, folder)
    with exclusive(folder):
        _run(images, folder, cache, console)


def _run(images: Path | None, folder: Path, cache: Path, console: Console) -> None:
    with _progress(console) as progress:
        if images is None:
            console.print(NO_FOLDER)
        task = progress.add_task("preparing the images", total=None)
        image_set = load(images, folder / "leaves")
        progress.update(task, description="training the local model", total=image_set.training_count)
        classifier = image_set.classifier(cache, lambda: progress.advance(task))
        progress.update(task, completed=image_set.training_count)
        console.print(
            f"The local model learns from {image_set.training_count} images. "
            f"{sum(map(len, image_set.test.values()))} others are uploaded: half by curl with presigned uploads, half "
            "with AWS credentials under made-up folders. And two on purpose: a picture of nothing known, and a file "
            "that is no image."
        )
        task = progress.add_task("packaging with chalice", total=1)
        packaged = package(folder / "package")
        progress.advance(task)
        task = progress.add_task("starting the local AWS and deploying", total=1)
        labels = labels_of_interest(list(image_set.training))
        with local.running(
            folder, packaged, classifier, labels_of_interest=labels, min_confidence=MIN_CONFIDENCE
        ) as session:
            progress.advance(task)
            result = _upload_and_wait(session, image_set, progress)
            _download_rows(session, result, folder)
            counts = {
                str(row["label"]): int(row["images"] or 0)
                for row in session.athena.query(load_query("labels_by_count").sql).records
            }
            task = progress.add_task("drawing the report", total=1)
            report = write_report(
                session.athena, Scope(f"{STACK} (demo)", labels, Narrowing()), folder, address_of=None
            )
            progress.advance(task)
    console.print(f"Labels of interest: {labels}; MinConfidence {MIN_CONFIDENCE:g}.")
    show(console, result, counts, folder, report)
    if missing := result.unaccounted_for:
        raise UserError(f"not accounted for: {counted(len(missing), 'image')}, such as {missing[0]!r}.")


def _upload_and_wait(session: Session, image_set: ImageSet, progress: Progress) -> Result:
    images = [(label, path) for label, paths in image_set.test.items() for path in paths]
    uploads = _upload_presigned(session, [path for _, path in images[::2]], progress)
    uploads += _upload_with_credentials(session, _objects_to_upload(images[1::2]), progress)
    task = progress.add_task("waiting for every image's outcome", total=len(uploads))
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
        curl_uploads.upload(session.api, token, file)
        for file in progress.track(files, description="uploading with presigned uploads, by curl")
    ]


def _upload_with_credentials(session: Session, contents: dict[str, bytes], progress: Progress) -> list[str]:
    """Uploads as the console and the AWS CLI do; the keys."""
    s3 = session.local_aws.client("s3")
    s3.put_object(Bucket=local.INPUT_BUCKET, Key=f"{FOLDERS[0]}/", Body=b"")  # the console's folder marker
    for key, content in progress.track(contents.items(), description="uploading with AWS credentials"):
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
        TextColumn("{task.description:<42}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
