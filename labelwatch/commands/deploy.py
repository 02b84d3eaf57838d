"""The commands on a stage: labelwatch up and labelwatch down."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from labelwatch.commands.options import BUILD, Profile, Region, Yes, console, open_terminal
from labelwatch.deploy.parameters import MAIN, PARAMETERS, Parameter, option
from labelwatch.shared.errors import UserError

Stage = Annotated[str, typer.Option(help="The stage, such as prod; the stack's name is labelwatch-STAGE.")]
RESERVED_TAGS = {"application", "stack"}


def _help(parameter: Parameter) -> str:
    text = parameter.help.removesuffix(".")
    if parameter.default is None:
        return f"{text}; required the first time."
    if parameter.name == "DatabaseName":  # each stage has a database of its own
        return f"{text}; default: labelwatch_STAGE."
    return f"{text}; default: {parameter.default or 'none ("")'}."


def _with_parameters(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each parameter, by signature and annotations, which typer reads.

    `**values` of the command gets the options by the parameters' names.
    """
    typed: Any = command
    options = [
        inspect.Parameter(
            parameter.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(
                    option(parameter.name),
                    help=_help(parameter),
                    rich_help_panel="The parameters" if parameter.name in MAIN else "More parameters",
                    show_default=False,
                ),
            ],
        )
        for parameter in PARAMETERS.values()
    ]
    signature = inspect.signature(command)
    *others, _ = signature.parameters.values()
    typed.__signature__ = signature.replace(parameters=[*others, *options])
    typed.__annotations__ |= {declared.name: declared.annotation for declared in options}
    return command


@_with_parameters
def up(  # noqa: PLR0913 - a command's options
    stage: Stage,
    *,
    parameters: Annotated[
        Path | None, typer.Option(help="A JSON or YAML file of parameters; what is given here goes before it.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="A tag for the stack and its resources: Key=Value. Earlier tags stay.")
    ] = None,
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
    **values: str | None,
) -> None:
    """Create or update a stage's stack, and write the stage that chalice deploy reads.

    What is not given comes from the file, from the stack as it stands, or is asked for at a terminal. Run it again to
    change a parameter: nothing else has to be said again.

    labelwatch up --stage prod --custom-model-arn ARN --email-notification you@example.com --input-bucket-name IMAGES
    --output-bucket-name PREDICTIONS --labels-of-interest bacterial-leaf-blight,leaf-smut:90 --min-confidence 80
    """
    from labelwatch.deploy import parameter_file
    from labelwatch.deploy.up import run
    from labelwatch.shared.account import Account

    tags = _tags(tag or [])
    file_values = parameter_file.read(parameters) if parameters else {}
    run(
        Account(profile, region),
        stage,
        file_values | {name: value for name, value in values.items() if value is not None},
        open_terminal(yes=yes, default=True, ask=_ask),
        tags,
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
    from labelwatch.deploy.down import run
    from labelwatch.shared.account import Account

    run(
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
    from labelwatch.deploy.packaging import package as make
    from labelwatch.deploy.publish import publish as upload
    from labelwatch.shared.account import Account

    made = make(build)
    console().print(f"{made.template}\n{made.zip}", soft_wrap=True)
    if publish:
        published = upload(Account(profile, region), made, publish)
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
        if key in RESERVED_TAGS:
            raise UserError(f"--tag {key} is set by labelwatch itself: it tells a stack's buckets by it.")
    return {key: value for key, _, value in pairs}
