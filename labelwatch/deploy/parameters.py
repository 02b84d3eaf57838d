"""The template's parameters: names, help texts, valid values, and the origin of each value."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from chalicelib.domain.times import time_zone
from chalicelib.settings import GENERAL_MODEL, SETTINGS, Settings
from labelwatch.shared import pricing
from labelwatch.shared.errors import UserError

MAIN = (
    "CustomModelARN",
    "EmailNotification",
    "InputBucketName",
    "LabelsofInterest",
    "MinConfidence",
    "OutputBucketName",
)
IMAGE_LIMIT = "MaxImagesPerDay"
# For general labels, which are paid by the image: a month at this limit costs about 30 USD.
PROPOSED_IMAGE_LIMIT = 1000


class Parameter(NamedTuple):
    """A parameter. `help` is for its option and its description in the template; `default` is None if required."""

    name: str
    help: str
    default: str | None


PARAMETERS = {
    parameter.name: parameter
    for parameter in (
        *(
            Parameter(setting.parameter, setting.help, setting.parameter_default)
            for setting in SETTINGS
            if setting.parameter and setting.help
        ),
        Parameter("DatabaseName", "New Athena database.", "labelwatch"),
        Parameter(
            "ImageDays",
            "Days until images in the input bucket are deleted; 0 to keep images. An existing bucket is unchanged.",
            "0",
        ),
        Parameter("PredictionDays", "Days until predictions are deleted; 0 to keep predictions.", "0"),
        Parameter("Tracing", "AWS X-Ray tracing: yes or no. AWS bills each trace.", "no"),
        Parameter("PermissionsBoundaryArn", "ARN of the IAM policy that is the permissions boundary of all roles.", ""),
    )
}
_BY_PARAMETER = {setting.parameter: setting for setting in SETTINGS if setting.parameter}

# Takes a parameter's name, description and default, and returns its value.
type Ask = Callable[[str, str, str], str]
# Takes a parameter's name and all values so far; raises UserError where the parameter's value cannot be used.
type CheckInAccount = Callable[[str, dict[str, str]], None]


def complete(
    template: dict[str, Any],
    given: dict[str, str],
    previous: dict[str, str] | None,
    ask: Ask | None,
    check_in_account: CheckInAccount = lambda *_: None,
) -> dict[str, str]:
    """A value for each of the template's parameters: as given, else of the stack, else answered, else the default.

    `previous` are the values of an existing stack; `ask` is None without a terminal. With questions, the given values
    are checked in the account before them, and each answer at once. Raises UserError that names the parameter and the
    valid values.
    """
    known = template["Parameters"]
    _check_all(known, given)
    kept = {name: value for name, value in (previous or {}).items() if name in known}
    values = _defaults(known) | kept | given
    if ask and previous is None:
        values = _with_answers(known, given, values, ask, check_in_account)
    if missing := [name for name in known if name not in values]:
        raise UserError(f"Missing required parameters: {', '.join(missing)}. Pass {_options(missing)}.")
    _check_all(known, values)
    _check_start_has_limit(values)
    return {name: values[name] for name in known}


def check(name: str, parameter: dict[str, Any], value: str) -> None:
    """Raises UserError where CloudFormation, or a function at its start, would reject the value."""
    # A shell may pass bytes that are no text.
    most, size = parameter.get("MaxLength", 4096), len(value.encode(errors="surrogateescape"))
    if size > most:
        raise UserError(f"{name} {value!r} is not valid: must have at most {most} bytes, not {size}.")
    if not _fits(parameter, value):
        rule = parameter.get("ConstraintDescription") or f"must be one of {', '.join(parameter['AllowedValues'])}"
        raise UserError(f"{name} {value!r} is not valid: {rule.rstrip('.')}.")
    if name == Settings.time_zone.parameter and time_zone(value) is None:
        raise UserError(f"{name} {value!r} is not a time zone. Use a name such as Europe/Berlin or Asia/Ho_Chi_Minh.")
    if value and name in _BY_PARAMETER:
        try:
            _BY_PARAMETER[name].parse(value.strip())
        except ValueError as problem:
            raise UserError(f"{name} {value!r} is not valid: {problem}.") from None


def option(name: str) -> str:
    """The parameter's option of `labelwatch up`."""
    exceptions = {
        "CustomModelARN": "--custom-model-arn",
        "ExistingBucketName": "--existing-bucket",
        "LabelsofInterest": "--labels-of-interest",
    }
    return exceptions.get(name, "--" + re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower())


def _options(names: list[str]) -> str:
    *others, last = map(option, names)
    return f"{', '.join(others)} and {last}" if others else last


def _check_all(known: dict[str, Any], values: dict[str, str]) -> None:
    for name, value in values.items():
        if name not in known:
            raise UserError(f"{name} is not a parameter. Parameters: {', '.join(known)}.")
        check(name, known[name], value)


def _check_start_has_limit(values: dict[str, str]) -> None:
    """As the template's rule AutoStartHasLimit, before anything is changed."""
    if values.get("ModelAutoStart") == "yes" and values["ModelMaxHoursPerMonth"] == "0":
        raise UserError(
            "ModelAutoStart=yes needs a limit of the model's hours: pass --model-max-hours-per-month, such as 40."
        )


def _defaults(known: dict[str, Any]) -> dict[str, str]:
    return {name: str(parameter["Default"]) for name, parameter in known.items() if "Default" in parameter}


def _fits(parameter: dict[str, Any], value: str) -> bool:
    if "AllowedValues" in parameter:
        return value in parameter["AllowedValues"]
    return parameter.get("MinLength", 0) <= len(value) and bool(re.fullmatch(parameter["AllowedPattern"], value))


def _with_answers(
    known: dict[str, Any], given: dict[str, str], values: dict[str, str], ask: Ask, check_in_account: CheckInAccount
) -> dict[str, str]:
    """The values with an answer for each main parameter that is not given, and for a limit where images are paid."""
    for name in filter(given.__contains__, MAIN):
        check_in_account(name, values)
    for name in (name for name in MAIN if name not in given):
        values = _answered(name, known[name], values, ask, check_in_account)
    if values["CustomModelARN"] == GENERAL_MODEL and IMAGE_LIMIT not in given:
        values = _answered(IMAGE_LIMIT, _with_proposal(known[IMAGE_LIMIT]), values, ask, check_in_account)
    return values


def _with_proposal(limit: dict[str, Any]) -> dict[str, Any]:
    usd = pricing.load().general_labels.cost(PROPOSED_IMAGE_LIMIT)
    price = f"Rekognition's general labels cost about {usd:.0f} USD for {PROPOSED_IMAGE_LIMIT:,} images."
    return limit | {"Default": PROPOSED_IMAGE_LIMIT, "Description": f"{limit['Description']}\n{price}"}


def _answered(
    name: str, parameter: dict[str, Any], values: dict[str, str], ask: Ask, check_in_account: CheckInAccount
) -> dict[str, str]:
    """The values with that of this parameter: the first answer that is valid."""
    problem = ""
    while True:
        value = ask(name, f"{problem}{parameter['Description']}", str(parameter.get("Default", "")))
        answered = values | {name: value}
        try:
            check(name, parameter, value)
            check_in_account(name, answered)
        except UserError as mistake:
            problem = f"{mistake}\n"
        else:
            return answered
