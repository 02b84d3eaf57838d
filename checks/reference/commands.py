"""The page on the commands, from the metadata that also makes `--help`."""

import re
from collections.abc import Iterator
from inspect import cleandoc

import typer
from typer.core import TyperGroup
from typer.main import get_command

from checks.reference.markdown import definitions, lines, page
from labelwatch.__main__ import app
from labelwatch.shared.project import PROJECT

# Leaves room for the indent and the backslash of a line that goes on.
WIDTH = 92

type Context = typer.Context


def commands() -> str:
    """Each command with its arguments and options."""
    (_, labelwatch), *others = all_commands()
    return page(
        "Commands",
        *_help(labelwatch.command.help or ""),
        "Every command has `--help`, or `-h`.",
        *(part for path, context in others for part in _command(path, context)),
    )


def all_commands() -> Iterator[tuple[str, Context]]:
    """Each command by its words after `labelwatch`, with its context; a group goes before its own commands."""
    root = typer.Context(get_command(app), info_name="labelwatch")
    yield "", root
    yield from _commands_of(root)


def _commands_of(parent: Context) -> Iterator[tuple[str, Context]]:
    group = parent.command
    if isinstance(group, TyperGroup):
        for name in group.list_commands(parent):
            command = group.get_command(parent, name)
            if command and not command.hidden:
                context = typer.Context(command, info_name=name, parent=parent)
                yield context.command_path.removeprefix("labelwatch "), context
                yield from _commands_of(context)


def _command(path: str, context: Context) -> Iterator[str]:
    command = context.command
    yield f"## `labelwatch {path}`"
    yield from _help(command.help or "")
    if isinstance(command, TyperGroup):
        return
    yield f"```text\n{' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n```"
    yield definitions((f"`{option}`", text) for option, text in help_records(context) if "--help" not in option)


def _help(text: str) -> Iterator[str]:
    """The paragraphs of a help text; examples, which begin with `labelwatch `, as code. Lists and code stay."""
    for paragraph in cleandoc(text.replace("\b\n", "")).split("\n\n"):
        if paragraph.startswith("labelwatch "):
            examples = re.split(r"\n(?=labelwatch )", paragraph)
            yield "\n".join(["```text", *(" \\\n    ".join(lines(example, WIDTH)) for example in examples), "```"])
        else:
            yield paragraph if re.search(r"(?m)^(\s|[-*] |```)", paragraph) else " ".join(paragraph.split())


def help_records(context: Context) -> list[tuple[str, str]]:
    """Each argument and option of a command, and its help, without the paths of this machine."""
    records = (parameter.get_help_record(context) for parameter in context.command.get_params(context))
    return [(record[0], record[1].replace(f"{PROJECT}/", "").replace("  [", " [")) for record in records if record]
