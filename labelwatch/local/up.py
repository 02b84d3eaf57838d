"""`labelwatch local up`: a local AWS until Ctrl-C, which prints the outcome of each uploaded image."""

import shlex
import sys
import time
from pathlib import Path

from rich.console import Console

from chalicelib.domain.text import printable
from labelwatch.deploy import package
from labelwatch.local import curl_uploads, host
from labelwatch.local import session as local
from labelwatch.local.defaults import CLIENT, MIN_CONFIDENCE, labels_of_interest
from labelwatch.local.folder import exclusive
from labelwatch.local.image_set import load, validated
from labelwatch.local.mailbox import Mail
from labelwatch.local.ministack import free_port
from labelwatch.local.outcomes import DeadLetterOutcome, OutcomeReader, PredictionOutcome
from labelwatch.local.session import Session
from labelwatch.shared.text import counted
from labelwatch.uploads import tokens

POLL_SECONDS = 0.5

type Event = PredictionOutcome | DeadLetterOutcome | Mail

DRAWINGS = (
    "The local model was trained on drawn leaves. Its labels for photographs are wrong. To train it on your own "
    "photographs, run make up IMAGES=folder, with a sub-folder per label."
)
# Settings of the user for AWS that would win over the settings for the local AWS.
_UNSET = (
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_OUTPUT", "LABELWATCH_STACK"),
    *("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_DYNAMODB"),
)
# Without --endpoint-url, the AWS CLI (version 1) sends requests of SQS and others to AWS, in spite of AWS_ENDPOINT_URL.
_AWS = """#!/bin/sh
endpoint=$AWS_ENDPOINT_URL
value=
for word; do  # the first is the service, after the options and their values
    case $value$word in
        value-*) value= ;;
        --region | --output | --profile | --query | --color | --ca-bundle) value=value- ;;
        --endpoint-url | --cli-*-timeout) value=value- ;;
        -*) ;;
        rekognition) endpoint=$AWS_ENDPOINT_URL_REKOGNITION; break ;;
        *) break ;;
    esac
done
exec {python} -m awscli --endpoint-url "$endpoint" "$@"
"""


def run(  # noqa: PLR0913, PLR0917 - the command's options
    images: Path | None, folder: Path, cache: Path, port: int | None, origin: str, console: Console
) -> None:
    """Prints the outcome of each image until Ctrl-C, then stops everything."""
    free_port(port)  # before the work that takes a while
    images = validated(images, folder)
    with exclusive(folder):
        _run(images, folder, cache, port, origin, console)


def _run(  # noqa: PLR0913, PLR0917 - the same
    images: Path | None, folder: Path, cache: Path, port: int | None, origin: str, console: Console
) -> None:
    with console.status("Training the local model, packaging, deploying…"):
        image_set = load(images, folder / "leaves")
        classifier = image_set.classifier(cache, lambda: None)
        packaged = package(folder / "package")
    labels = labels_of_interest(list(image_set.training))
    sample = next(path for _, paths in sorted(image_set.uploads.items()) for path in paths).absolute()
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
            console.print(host.note(), end="")
            console.print(f"Endpoint: {session.local_aws.endpoint}")
            console.print(f"Labels of interest: {labels} (default threshold: {MIN_CONFIDENCE:g})")
            learned = f"The local model was trained on {counted(image_set.training_count, 'image')} of {images}."
            console.print(learned if images else DRAWINGS)
            _print_commands(session, folder.absolute(), sample, console)
            _follow(session, console)
    except KeyboardInterrupt:
        console.print("\nStopped.")


def _print_commands(session: Session, folder: Path, sample: Path, console: Console) -> None:
    """Commands to copy, each in one line however long."""
    write_aws_command(folder / "bin")
    token = tokens.create(session.tokens, CLIENT)
    commands = {
        "In another terminal, paste this line first:": [variables(session, folder / "bin")],
        "Upload an image, as often as you like:": [upload_line(sample)],
        "Upload without AWS credentials, through a presigned upload (two lines):": [
            f"export API={session.api} TOKEN={token}",
            curl_uploads.upload_line(sample),
        ],
        "Show the results (all commands: docs/reference/commands.md):": [
            "labelwatch report",
            "labelwatch athena query labels_by_count",
            "labelwatch tokens list",
        ],
    }
    for heading, lines in commands.items():
        console.print(f"\n{heading}\n")
        for line in lines:
            console.print(line, soft_wrap=True)
    console.print("\nThe outcome of each upload follows. Ctrl-C stops the local AWS.\n")


def upload_line(sample: Path) -> str:
    """An upload of this file, in any folder."""
    return shlex.join(["aws", "s3", "cp", str(sample), f"s3://{local.INPUT_BUCKET}/field 1/{sample.name}"])


def variables(session: Session, commands: Path) -> str:
    """A line after which labelwatch, and aws in the folder of commands, use the local AWS and the local model."""
    path = shlex.quote(f"{commands}:{Path(sys.executable).parent}")
    values = session.local_aws.environment | {"AWS_ENDPOINT_URL_REKOGNITION": session.rekognition}
    exports = " ".join(f"{name}={value}" for name, value in values.items())
    return f'export PATH={path}:"$PATH" {exports}; unset {" ".join(_UNSET)}'


def write_aws_command(folder: Path, python: str = sys.executable) -> None:
    """Writes the command `aws` into the folder: the AWS CLI of this Python, for the local AWS in any service."""
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "aws"
    command.write_text(_AWS.format(python=shlex.quote(python)))
    command.chmod(0o700)


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
