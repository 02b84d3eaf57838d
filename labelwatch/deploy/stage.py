"""A stage of .chalice/config.json: the stack's outputs, in the form that `chalice deploy` reads."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib import settings
from labelwatch.deploy.packaging import PACKAGING_STAGE
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT

CONFIG = PROJECT / ".chalice" / "config.json"
# The functions, each with the output that has its role.
ROLES = {
    name: f"{settings.camel_case(name)}RoleArn"
    for name in ("api_handler", "authorize", "check_subscriptions", "detect", "ingest", "manage_model", "notify")
}
# The functions' variables, each with the output or parameter that has its value.
VARIABLES = {setting.variable: setting.output for setting in settings.SETTINGS if setting.output}
# Only a stack with an existing bucket has this output.
INGEST_ROLE = ROLES["ingest"]
ARN_PARTS = 6


class _Stage(Struct):
    """The parts of a stage that are read and written here."""

    environment_variables: dict[str, Any] = {}
    lambda_functions: dict[str, dict[str, Any]] = {}
    tags: dict[str, Any] = {}


def read(config: Path) -> dict[str, Any]:
    """Chalice's configuration; raises UserError where the file is not JSON with stages."""
    try:
        content: dict[str, Any] = json.loads(config.read_text())
        content["stages"][PACKAGING_STAGE]
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{config} is not JSON with the stage `{PACKAGING_STAGE}`. Restore the file from the repository."
        ) from None
    return content


def region_and_account(config: Path, stage: str) -> tuple[str, str] | None:
    """The stage's Region and account, from the ARN of its queue; None without this stage or ARN."""
    variables = _stage(read(config), stage).get("environment_variables", {})
    arn = str(variables.get("IMAGES_QUEUE_ARN")).split(":")
    return (arn[3], arn[4]) if len(arn) == ARN_PARTS else None


def check(config: Path, stage: str, stack: str, outputs: dict[str, str]) -> None:
    """Raises UserError where `write` could not keep an operator's own additions to the stage.

    Checks nothing if outputs are missing, as those of an older template.
    """
    if {*VARIABLES.values(), *ROLES.values(), "Tracing"} - set(outputs) <= {INGEST_ROLE}:
        _updated(read(config), stage, stack, outputs)


def write(config: Path, stage: str, stack: str, outputs: dict[str, str]) -> bool:
    """Writes the stage from the stack's outputs and keeps an operator's own additions; whether the file changed.

    Raises UserError where the functions could not read the result.
    """
    before = read(config)
    after = before | {"stages": before["stages"] | {stage: _updated(before, stage, stack, outputs)}}
    return _changed(config, before, after)


def remove(config: Path, stage: str) -> bool:
    """Removes the stage; whether there was one."""
    before = read(config)
    others = {name: content for name, content in before["stages"].items() if name != stage}
    return _changed(config, before, before | {"stages": others})


def timeout(function: str) -> int:
    """The function's timeout in seconds, of the packaging stage."""
    config = read(PROJECT / ".chalice" / "config.json")
    own = config["stages"][PACKAGING_STAGE]["lambda_functions"].get(function, {})
    return int(own.get("lambda_timeout", config["lambda_timeout"]))


def _updated(config: dict[str, Any], stage: str, stack: str, outputs: dict[str, str]) -> dict[str, Any]:
    old = _stage(config, stage)
    defaults = config["stages"][PACKAGING_STAGE]["lambda_functions"]
    additions = old.get("lambda_functions", {})
    roles = {name: outputs[output] for name, output in ROLES.items() if output in outputs}
    # Lambda takes strings only.
    variables = {name: str(value) for name, value in old.get("environment_variables", {}).items()}
    variables |= {variable: outputs[output] for variable, output in VARIABLES.items()}
    new = old | {
        "iam_role_arn": outputs["DetectRoleArn"],  # Chalice requires a role of the stage too, which no function uses
        "xray": outputs["Tracing"] == "yes",
        "tags": old.get("tags", {}) | {"stack": stack},
        "environment_variables": variables,
        "lambda_functions": {
            name: defaults.get(name, {}) | additions.get(name, {}) | {"iam_role_arn": role}
            for name, role in roles.items()
        },
    }
    for name in {"lambda_memory_size", "lambda_timeout"} & set(config):
        new.setdefault(name, config[name])
    try:
        settings.read(variables)
    except settings.SettingError as mistake:
        raise UserError(_invalid(stage, mistake)) from None
    return new


def _stage(config: dict[str, Any], stage: str) -> dict[str, Any]:
    """The stage in the file, or an empty stage; raises UserError where the content is no stage."""
    content: dict[str, Any] = config["stages"].get(stage, {})
    try:
        msgspec.convert(content, _Stage)
    except msgspec.ValidationError as mistake:
        raise UserError(_invalid(stage, mistake)) from None
    return content


def _invalid(stage: str, mistake: Exception) -> str:
    return (
        f"Stage {stage} in .chalice/config.json is not valid: {mistake}. Correct the stage, then run the command again."
    )


def _changed(config: Path, before: dict[str, Any], after: dict[str, Any]) -> bool:
    if after == before:
        return False
    # Into another file first: an interrupted write must not leave half a configuration.
    new = config.with_suffix(".new")
    new.write_text(json.dumps(after, indent=2, ensure_ascii=False) + "\n")
    shutil.copymode(config, new)  # the file is the team's
    new.replace(config)
    return True
