"""The template's parameters: what may be entered, read from the template itself, and where values come from."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from chalicelib import settings
from labelwatch.shared.errors import UserError

MAIN = (
    "CustomModelARN",
    "EmailNotification",
    "InputBucketName",
    "LabelsofInterest",
    "MinConfidence",
    "OutputBucketName",
)


class _Texts(yaml.SafeLoader):
    """Texts as they stand, and null: YAML would read 12:30 as a number, and no as a falsehood."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the class above
        first: [(tag, pattern) for tag, pattern in known if tag.endswith(":null")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


type Ask = Callable[[str, str, str], str]


def of_file(path: Path) -> dict[str, str]:
    """The values of a JSON or YAML file: a mapping of names to values, or CloudFormation's list of them.

    Raises UserError where it is neither.
    """
    try:
        content: Any = yaml.load(path.read_text(), _Texts)  # noqa: S506 - a SafeLoader; JSON is YAML
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise UserError(f"{path} is neither JSON nor YAML: {' '.join(str(problem).split())}") from None
    if isinstance(content, list):
        try:
            content = {one["ParameterKey"]: one["ParameterValue"] for one in content}
        except (TypeError, KeyError):
            content = None
    if not isinstance(content, dict):
        raise UserError(
            f"{path} must hold a mapping of parameters to values, or a list of ParameterKey and ParameterValue."
        )
    return {str(name): _text(path, name, value) for name, value in content.items()}


def complete(
    template: dict[str, Any], given: dict[str, str], previous: dict[str, str] | None, ask: Ask | None
) -> dict[str, str]:
    """A value for each of the template's parameters: what is given, what it was before, an answer, the default.

    `ask` gets name, description and default; without it nobody is there to answer. Raises UserError that names the
    parameter and what would be right.
    """
    known = template["Parameters"]
    for name, value in given.items():
        if name not in known:
            raise UserError(f"{name} is no parameter; there are {', '.join(known)}.")
        check(name, known[name], value)
    values = {name: value for name, value in (previous or {}).items() if name in known} | given
    missing = [name for name in MAIN if name not in values] if previous is None else []
    if ask:
        values |= {name: _answer(name, known[name], ask) for name in missing}
    for name, one in known.items():
        if name not in values and "Default" in one:
            values[name] = str(one["Default"])
    without = [name for name in known if name not in values]
    if without:
        raise UserError(f"{', '.join(without)} must be given: {', '.join(map(option, without))}.")
    for name, value in values.items():
        check(name, known[name], value)
    return values


def check(name: str, parameter: dict[str, Any], value: str) -> None:
    """Raises UserError where CloudFormation, or a function at its start, would refuse the value."""
    if not _fits(parameter, value):
        right = parameter.get("ConstraintDescription") or f"must be one of {', '.join(parameter['AllowedValues'])}."
        raise UserError(f"{name} is {value!r}, and it {right}")
    if name == "LabelsofInterest":
        try:
            settings.labels_of_interest(value)
        except ValueError as problem:
            raise UserError(f"{name} is {value!r}, but {problem}.") from None


def option(name: str) -> str:
    """What a parameter is called on the command line."""
    return {"CustomModelARN": "--custom-model-arn", "LabelsofInterest": "--labels-of-interest"}.get(
        name, "--" + re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
    )


def _fits(parameter: dict[str, Any], value: str) -> bool:
    if "AllowedValues" in parameter:
        return value in parameter["AllowedValues"]
    if parameter["Type"] == "Number":
        number = re.fullmatch(r"\d+(\.\d+)?", value)
        return bool(number) and parameter["MinValue"] <= float(value) <= parameter["MaxValue"]
    fits_in = parameter.get("MinLength", 0) <= len(value) <= parameter.get("MaxLength", 4096)
    return fits_in and bool(re.fullmatch(parameter["AllowedPattern"], value))


def _answer(name: str, parameter: dict[str, Any], ask: Ask) -> str:
    problem = ""
    while True:
        value = ask(name, f"{problem}{' '.join(parameter['Description'].split())}", str(parameter.get("Default", "")))
        try:
            check(name, parameter, value)
        except UserError as mistake:
            problem = f"{mistake}\n"
        else:
            return value


def _text(path: Path, name: object, value: object) -> str:
    if not isinstance(value, str):
        raise UserError(f"{name} in {path} must be one value.")
    return value
