"""The commands on a stage, `labelwatch up` and `labelwatch down`, and `labelwatch package`."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from labelwatch.commands.options import BUILD, Profile, Region, Yes, console, open_terminal
from labelwatch.deploy.parameters import MAIN, PARAMETERS, Parameter, option
from labelwatch.shared.errors import UserError

Stage = Annotated[
    str, typer.Option(help="The stage (example: prod). Its stack is labelwatch-STAGE, the --stack of other commands.")
]
RESERVED_TAGS = {"application", "stack"}


def _help(parameter: Parameter) -> str:
    text = parameter.help.removesuffix(".")
    if parameter.default is None:
        return f"{text}. Required on the first run."
    if parameter.name == "DatabaseName":  # each stage has its own database
        return f"{text}. Default: labelwatch_STAGE."
    return f"{text}. Default: {parameter.default or 'none ("")'}."


def _with_parameters(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each parameter: typer reads signature and annotations.

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
                    rich_help_panel="Main parameters" if parameter.name in MAIN else "More parameters",
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
        Path | None,
        typer.Option(help="A JSON or YAML file of parameters (example: MinConfidence: 80). Options override it."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(help="A tag for the stack and its resources (example: team=plants). Earlier tags stay."),
    ] = None,
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
    **values: str | None,
) -> None:
    """Create or update the stack of a stage, for chalice deploy.

    The stack has all resources except the functions. The command shows all settings and changes, and prompts before any
    change. Then it writes the stage to .chalice/config.json, for `chalice deploy --stage STAGE`.

    Run the command once more after the first `chalice deploy`: it limits the requests to the REST API. Also run it when
    `chalice deploy` stopped half-way, or without its file: it rebuilds .chalice/deployed/STAGE.json after a prompt.

    Run the command again to change a parameter or to update Labelwatch, then run `chalice deploy` again. Pass only the
    parameters to change: all others keep their values. At a terminal, the first run prompts for missing parameters.

    For example, create the stack, change a parameter, and do the same in a script:

    ```
    labelwatch up --stage prod
    labelwatch up --stage prod --min-confidence 70
    labelwatch up --stage prod --parameters prod.yaml --yes
    ```
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


def down(  # noqa: PLR0913 - a command's options, by name
    stage: Stage,
    *,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Delete the three buckets too, with all images and predictions.")
    ] = False,
    bucket: Annotated[
        list[str] | None,
        typer.Option(help="With --delete-data: also a bucket that the stack does not list. Repeat for more."),
    ] = None,
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Delete the stack of a stage. Run chalice delete first.

    The command shows the resources to delete, and prompts. Without --delete-data, the buckets with images and
    predictions are kept: `labelwatch up` with the same names uses them again.

    --delete-data deletes the buckets that the stack lists. A bucket may have the stack's tags only: after the stack was
    deleted, or because somebody set the tags. Type the name of such a bucket, or pass --bucket. --yes does not suffice.

    For example:

    ```
    chalice delete --stage prod
    labelwatch down --stage prod
    ```
    """
    from labelwatch.deploy.down import run
    from labelwatch.shared.account import Account

    if bucket and not delete_data:
        raise UserError("--bucket needs --delete-data. Pass --delete-data, or omit --bucket.")
    run(
        Account(profile, region),
        stage,
        open_terminal(yes=yes, default=False, ask=_ask),
        delete_data=delete_data,
        named=bucket or (),
    )


def package(
    build: Annotated[
        Path, typer.Option(help="The folder for template.json and deployment.zip. Default: build.", show_default=False)
    ] = BUILD,
    publish: Annotated[
        str | None,
        typer.Option(help="Upload both files, and print the launch link (example: s3://bucket/prefix)."),
    ] = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Create the template and the zip that CloudFormation deploys.

    With --publish, the bucket must be in the Region of the new stack. The printed link opens the CloudFormation
    console, which prompts for the parameters. You need read access to the bucket, and no other tool.

    For example:

    ```
    labelwatch package --publish s3://my-packages/labelwatch
    ```
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
            raise UserError(f"--tag {key!r} is not a tag. Use Key=Value, such as team=plants.")
        if key in RESERVED_TAGS:
            raise UserError(f"--tag {key} is reserved: Labelwatch finds a stack's buckets by it. Use another key.")
    return {key: value for key, _, value in pairs}
