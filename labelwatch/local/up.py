"""`labelwatch local up`: a local AWS until Ctrl-C, which prints the outcome of each uploaded image."""

import shlex
import sys
import time
from pathlib import Path

from rich.console import Console

from labelwatch.deploy import package
from labelwatch.local import curl_uploads
from labelwatch.local import session as local
from labelwatch.local.defaults import CLIENT, MIN_CONFIDENCE, NO_FOLDER, labels_of_interest
from labelwatch.local.folder import exclusive
from labelwatch.local.image_set import load, validated
from labelwatch.local.mailbox import Mail
from labelwatch.local.ministack import ACCESS_KEY, REGION, SECRET_KEY, check_machine, free_port
from labelwatch.local.outcomes import DeadLetterOutcome, OutcomeReader, PredictionOutcome
from labelwatch.local.session import Session
from labelwatch.shared.text import printable
from labelwatch.uploads import tokens

POLL_SECONDS = 0.5

_AS_ROOT = f"AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY} AWS_DEFAULT_REGION={REGION}"

type Event = PredictionOutcome | DeadLetterOutcome | Mail


def run(  # noqa: PLR0913, PLR0917 - the command's options
    images: Path | None, folder: Path, cache: Path, port: int | None, origin: str, console: Console
) -> None:
    """Prints the outcome of each image until Ctrl-C, then stops everything."""
    check_machine()
    free_port(port)  # before the work that takes a while
    images = validated(images, folder)
    with exclusive(folder):
        _run(images, folder, cache, port, origin, console)


def _run(  # noqa: PLR0913, PLR0917 - the same
    images: Path | None, folder: Path, cache: Path, port: int | None, origin: str, console: Console
) -> None:
    if images is None:
        console.print(NO_FOLDER)
    with console.status("training the local model, packaging, deploying ..."):
        image_set = load(images, folder / "leaves")
        classifier = image_set.classifier(cache, lambda: None)
        packaged = package(folder / "package")
    labels = labels_of_interest(list(image_set.training))
    sample = next(path for paths in image_set.test.values() for path in paths)
    try:
        with local.running(
            folder,
            packaged,
            classifier,
            labels_of_interest=labels,
            min_confidence=MIN_CONFIDENCE,
            port=port,
            upload_origin=origin,
        ) as session:
            console.print(f"Labels of interest: {labels}; MinConfidence {MIN_CONFIDENCE:g}.")
            console.print(
                f"Endpoint: {session.local_aws.endpoint}\nUpload from another terminal, as often as you like:\n"
            )
            console.print(upload_line(session.local_aws.endpoint, sample), soft_wrap=True)
            token = tokens.create(session.tokens, CLIENT)
            console.print("\nOr without AWS credentials, through a presigned upload (both lines):\n")
            console.print(f"API={session.api} TOKEN={token}", soft_wrap=True)
            console.print(curl_uploads.upload_line(sample.absolute()), soft_wrap=True)
            console.print("\nWho may ask for presigned uploads:\n")
            console.print(command_line(session.local_aws.endpoint, "tokens", "list"), soft_wrap=True)
            console.print("\nWhat was predicted so far, as a page; labelwatch athena query works alike:\n")
            console.print(command_line(session.local_aws.endpoint, "report"), soft_wrap=True)
            console.print("\nFor all else in docs/operations.md, first (aws sqs needs --endpoint-url, too):\n")
            console.print(variables(session), soft_wrap=True)
            console.print("\nThe outcome of each image is printed below. Ctrl-C stops everything.\n")
            _follow(session, console)
    except KeyboardInterrupt:
        console.print("\nStopped.")


def upload_line(endpoint: str, sample: Path) -> str:
    """An upload that works as printed, in any folder."""
    target = f"s3://{local.INPUT_BUCKET}/field 1/{sample.name}"
    command = [_installed("aws"), "--endpoint-url", endpoint, "s3", "cp", str(sample.absolute()), target]
    return f"{_AS_ROOT} {shlex.join(command)}"


def command_line(endpoint: str, *words: str) -> str:
    """A labelwatch command on this local AWS."""
    return f"AWS_ENDPOINT_URL={endpoint} {_AS_ROOT} {shlex.join([_installed('labelwatch'), *words])}"


def variables(session: Session) -> str:
    """A line after which labelwatch and aws use this local AWS and the local model."""
    path = f'PATH="{Path(sys.executable).parent}:$PATH"'
    endpoints = f"AWS_ENDPOINT_URL={session.local_aws.endpoint} AWS_ENDPOINT_URL_REKOGNITION={session.rekognition}"
    return f"export {path} {endpoints} {_AS_ROOT}"


def _installed(command: str) -> str:
    return str(Path(sys.executable).with_name(command))


def _follow(session: Session, console: Console) -> None:
    reader = OutcomeReader(session)
    printed = 0
    while True:
        mails = session.mailbox.mails[printed:]
        printed += len(mails)
        events: list[Event] = [*reader.new_predictions(), *reader.new_dead_letters(), *mails]
        for event in events:
            console.print(f"{time.strftime('%H:%M:%S')}  {line_for(event)}", soft_wrap=True)
        time.sleep(POLL_SECONDS)


def line_for(event: Event) -> str:
    """One line, with the control characters of keys and labels escaped."""
    return printable(_description(event))


def _description(event: Event) -> str:
    match event:
        case PredictionOutcome(key=key, labels=labels):
            return f"{key}: {', '.join(f'{name} {confidence:.1f} %' for name, confidence in labels) or 'no label'}"
        case DeadLetterOutcome(reason=reason, detail=detail):
            return f"{event.key}: dead letter, {reason} ({detail})"
        case Mail(subject=subject, file=file):
            return f"alert: {subject} -> {file}"
