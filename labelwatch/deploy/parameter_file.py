"""A file of parameters, for `labelwatch up --parameters`."""

from pathlib import Path
from typing import Any

import yaml

from labelwatch.shared.errors import UserError


class _TextLoader(yaml.SafeLoader):
    """Reads text and null only: YAML would read 12:30 as a number, and no as false."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the class above
        first: [(tag, pattern) for tag, pattern in known if tag.endswith(":null")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read(path: Path) -> dict[str, str]:
    """The values of a JSON or YAML file: a mapping of names to values, or CloudFormation's list of them.

    Raises UserError for any other content.
    """
    try:
        content: Any = yaml.load(path.read_text(), _TextLoader)  # noqa: S506 - a SafeLoader; JSON is YAML
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        reason = " ".join(str(problem).split())
        raise UserError(f"{path} is not valid JSON or YAML: {reason}. Correct the file.") from None
    if isinstance(content, list):
        try:
            content = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in content}
        except (TypeError, KeyError):
            content = None
    if not isinstance(content, dict):
        raise UserError(
            f"{path} has no parameters. Write a mapping of names to values, or a list of objects with ParameterKey and "
            "ParameterValue."
        )
    return {str(name): _text(path, name, value) for name, value in content.items()}


def _text(path: Path, name: object, value: object) -> str:
    if not isinstance(value, str):
        raise UserError(f"{name} in {path} is not a single value. Write {name}: VALUE.")
    return value
