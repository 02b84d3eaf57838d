"""The commands on a stage: labelwatch up and labelwatch down."""

from pathlib import Path
from typing import Annotated

import typer

from labelwatch.commands.options import BUILD, Profile, Region, Yes, console, open_terminal
from labelwatch.shared.errors import UserError

Stage = Annotated[str, typer.Option(help="The stage, such as prod; the stack's name is labelwatch-STAGE.")]
_SIX = "The parameters"
_MORE = "More parameters"


def _value(text: str, panel: str = _SIX) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=text, rich_help_panel=panel, show_default=False)
    return option


def up(  # noqa: PLR0913 - the template's parameters, by name
    stage: Stage,
    *,
    custom_model_arn: Annotated[
        str | None, _value("The ARN of the model's version, or general; default: general.")
    ] = None,
    email_notification: Annotated[
        str | None, _value("The e-mail address that is told; required the first time.")
    ] = None,
    input_bucket_name: Annotated[
        str | None, _value("The bucket, to be created, for images; required the first time.")
    ] = None,
    labels_of_interest: Annotated[
        str | None,
        _value("Up to 10, with commas between; a threshold after a colon (leaf-smut:90); * for any, the default."),
    ] = None,
    min_confidence: Annotated[str | None, _value("0 to 100, default 80; for labels without a threshold.")] = None,
    output_bucket_name: Annotated[
        str | None, _value("The bucket, to be created, for predictions; required the first time.")
    ] = None,
    existing_bucket: Annotated[
        str | None, _value('A bucket that exists already and is looked at too; "" for none any more.', _MORE)
    ] = None,
    database_name: Annotated[
        str | None, _value("The Athena database, to be created; default: labelwatch_STAGE.", _MORE)
    ] = None,
    picture_links: Annotated[
        str | None, _value("yes or no, default yes: links in alerts that work for hours.", _MORE)
    ] = None,
    upload_origin: Annotated[
        str | None, _value("The origin of the one web page that may upload; default: none.", _MORE)
    ] = None,
    model_auto_start: Annotated[
        str | None, _value("yes or no, default no: start the model when images wait.", _MORE)
    ] = None,
    model_idle_minutes: Annotated[
        str | None, _value("Stop the model after so many minutes without an image; 0, the default, for never.", _MORE)
    ] = None,
    model_idle_stops: Annotated[
        str | None, _value("own or any, default own: only a model that was started so, or any.", _MORE)
    ] = None,
    model_max_hours_per_month: Annotated[
        str | None, _value("For how many hours of a month it may run so; 0, the default, for no limit.", _MORE)
    ] = None,
    tracing: Annotated[str | None, _value("yes or no, default no: X-Ray.", _MORE)] = None,
    parameters: Annotated[
        Path | None, typer.Option(help="A JSON or YAML file of parameters; what is given here goes before it.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag for the stack and all that is in it: Key=Value.")] = None,
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Create or update a stage's stack, and write the stage that chalice deploy reads.

    What is not given comes from the file, from the stack as it stands, or is asked for at a terminal. Run it again to
    change a parameter: nothing else has to be said again.

    labelwatch up --stage prod --custom-model-arn ARN --email-notification you@example.com --input-bucket-name IMAGES
    --output-bucket-name PREDICTIONS --labels-of-interest bacterial-leaf-blight,leaf-smut:90 --min-confidence 80
    """
    from labelwatch.deploy import parameters as known
    from labelwatch.deploy import up as doing
    from labelwatch.shared.account import Account

    options = {
        "CustomModelARN": custom_model_arn,
        "EmailNotification": email_notification,
        "InputBucketName": input_bucket_name,
        "LabelsofInterest": labels_of_interest,
        "MinConfidence": min_confidence,
        "OutputBucketName": output_bucket_name,
        "ExistingBucketName": existing_bucket,
        "DatabaseName": database_name,
        "PictureLinks": picture_links,
        "UploadOrigin": upload_origin,
        "ModelAutoStart": model_auto_start,
        "ModelIdleMinutes": model_idle_minutes,
        "ModelIdleStops": model_idle_stops,
        "ModelMaxHoursPerMonth": model_max_hours_per_month,
        "Tracing": tracing,
    }
    of_file = known.of_file(parameters) if parameters else {}
    given = of_file | {name: value for name, value in options.items() if value is not None}
    doing.run(
        Account(profile, region),
        stage,
        given,
        open_terminal(yes=yes, default=True, ask=_ask),
        _tags(tag or []),
    )


def down(
    stage: Stage,
    *,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Delete the three buckets too, with every image and prediction.")
    ] = False,
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Delete a stage's stack; run chalice delete before it. Buckets with images and predictions are kept."""
    from labelwatch.deploy import down as doing
    from labelwatch.shared.account import Account

    doing.run(
        Account(profile, region),
        stage,
        open_terminal(yes=yes, default=False),
        delete_data=delete_data,
    )


def package(
    build: Annotated[Path, typer.Option(help="The folder that takes template.json and deployment.zip.")] = BUILD,
    publish: Annotated[
        str | None, typer.Option(help="s3://bucket/prefix, to upload both to; prints the link that launches a stack.")
    ] = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Make the two files that CloudFormation deploys: build/template.json and build/deployment.zip.

    --publish puts them into a bucket of the Region to launch in. Whoever may read there follows the link and needs no
    tool: the console asks for the parameters and creates the stack.
    """
    from labelwatch.deploy import publish as publishing
    from labelwatch.deploy.package import package as make
    from labelwatch.shared.account import Account

    made = make(build)
    console().print(f"{made.template}\n{made.zip}", soft_wrap=True)
    if publish:
        published = publishing.publish(Account(profile, region), made, publish)
        console().print(f"{published.template}\nLaunch a stack: {published.launch}", soft_wrap=True)


def _ask(name: str, text: str, default: str) -> str:
    typer.echo(f"\n{text}")
    answer: str = typer.prompt(name, default=default or None)
    return answer.strip()


def _tags(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise UserError(f"--tag {key!r} must be Key=Value.")
    return {key: value for key, _, value in pairs}
