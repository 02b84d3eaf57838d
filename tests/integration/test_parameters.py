"""The values that the template accepts and refuses."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib import settings
from tests.support.builders import ENVIRONMENT

Template = dict[str, Any]
MODEL = "arn:aws:rekognition:eu-central-1:123456789012:project/leaves/version/leaves.1/1700000000000"
OTHER_PARTITIONS = [
    MODEL.replace("arn:aws:", f"arn:{partition}:").replace("eu-central-1", region)
    for partition, region in [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")]
]
TEN_LABELS = ",".join(f"label-{number}:{number * 9 + 1}.5" for number in range(10))
PARAMETERS = {
    "CustomModelARN",
    "EmailNotification",
    "InputBucketName",
    "LabelsofInterest",
    "MinConfidence",
    "OutputBucketName",
}
RESERVED = ["xn--leaves", "sthree-leaves", "amzn-s3-demo-leaves", "leaves-s3alias", "leaves--ol-s3", "leaves--x-s3"]
RESERVED += ["leaves--table-s3", "leaves-123456789012-eu-central-1-an"]
BOUNDARY = "arn:aws:iam::123456789012:policy"
ACCEPTED: dict[str, list[str]] = {
    "CustomModelARN": ["general", MODEL, *OTHER_PARTITIONS, MODEL.replace("leaves", "Rice_leaves.v2-b")],
    "EmailNotification": ["grower@example.com", "first.last+leaves@mail.example.co.uk"],
    "InputBucketName": ["abc", "leaves-2026", "0leaves0", "a" * 63, "a-xn--b", "s3alias", "leaves-an"],
    "OutputBucketName": ["abc", "leaves-2026-out", "0leaves0", "a" * 53],
    "MinConfidence": ["0", "0.0", "1", "80", "99.5", "100", "100.0"],
    "PermissionsBoundaryArn": ["", f"{BOUNDARY}/Boundary", f"{BOUNDARY}/teams/it+a=b,c.d@e-f_g"],
    "LabelsofInterest": [
        *("*", "*:95", "leaf-smut", "leaf-smut:0", "leaf-smut:100", "leaf-smut:100.0", "leaf-smut:99.5"),
        *("bacterial-leaf-blight, leaf-smut : 90 ,brown spot", "Blattdürre:80,葉", TEN_LABELS, "leaf-smut:1"),
    ],
    "ExistingBucketName": ["", "abc", "my.old.bucket"],
    "DatabaseName": ["labelwatch", "a", "leaves_2026"],
    "ImageDays": ["0", "1", "90", "9999"],
    "PredictionDays": ["0", "30", "99", "100", "9999"],
    "UploadOrigin": ["", "https://example.com", "https://leaves.example.com:8443", "http://localhost:3000"],
}
REFUSED: dict[str, list[str]] = {
    "CustomModelARN": [
        *("", "General", "leaves", f" {MODEL}", f"{MODEL}/more", MODEL.rpartition("/")[0]),
        *(MODEL.replace("/version/", "/"), MODEL.replace("rekognition", "s3"), MODEL.replace("123456789012", "12345")),
    ],
    "EmailNotification": [
        "",
        "grower",
        "grower@localhost",
        "a@b@example.com",
        "a@example.com,b@example.com",
        "a b@c.de",
    ],
    "InputBucketName": [
        "ab",
        "Leaves",
        "leaves_in",
        "leaves.in",
        "-leaves",
        "leaves-",
        "s3://leaves",
        "a" * 64,
        *RESERVED,
    ],
    "OutputBucketName": [
        "ab",
        "Leaves",
        "leaves_out",
        "leaves.out",
        "-leaves",
        "leaves-",
        "s3://leaves",
        "a" * 54,
        *RESERVED,
    ],
    "MinConfidence": ["", "0.8", "0.99", "80%", "-1", "100.5", "101", "80,5", "80.", "high"],
    "PermissionsBoundaryArn": ["Boundary", BOUNDARY, "arn:aws:iam::123456789012:role/Boundary", f"{BOUNDARY}/a b"],
    "LabelsofInterest": [
        *("", " ", ",", "leaf-smut,", ",leaf-smut", "leaf-smut,,rust", ":90", "leaf-smut:", ",".join("abcdefghijk")),
        f"{TEN_LABELS},eleventh",
        *(
            f"{TEN_LABELS},eleventh",
            "leaf-smut:100.5",
            "leaf-smut:101",
            "leaf-smut:-1",
            "leaf-smut:9O",
            "leaf-smut:90:80",
            "leaf-smut:90.",
            "leaf-smut:0.9",
            "rust,leaf-smut:0.95",
            "leaf-smut;rust",
            "rust, leaf-smut;rust:90",
            "a" * 513,
        ),
    ],
    "ExistingBucketName": [
        *("ab", "Leaves", ".leaves", "leaves_in", "a" * 64, "192.168.5.4"),
        *("leaves-s3alias", "leaves--ol-s3", "leaves.mrap", "leaves--x-s3", "leaves--table-s3"),
    ],
    "ImageDays": ["", "-1", "01", "1.5", "10000", "a week"],
    "PredictionDays": ["", "1", "29", "030", "30.5", "10000"],
    "DatabaseName": ["", "Labelwatch", "1leaf", "leaf-smut", "a" * 129],
    "UploadOrigin": [
        "*",
        "null",
        "example.com",
        "http://example.com",
        "https://example.com/",
        "https://a.de,https://b.de",
    ],
}


def accepts(parameter: Template, value: str) -> bool:
    """As CloudFormation: the pattern must match the entire value."""
    fits = parameter.get("MinLength", 0) <= len(value) <= parameter.get("MaxLength", 4096)
    return fits and re.fullmatch(parameter["AllowedPattern"], value) is not None


def each(table: dict[str, list[str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("name", "value"), [(name, value) for name in table for value in table[name]])


def test_the_agreed_parameters_exist(template: Template) -> None:
    assert set(template["Parameters"]) >= PARAMETERS


def test_every_further_parameter_has_a_default(template: Template) -> None:
    assert [
        name for name in set(template["Parameters"]) - PARAMETERS if "Default" not in template["Parameters"][name]
    ] == []


def test_every_default_is_accepted(template: Template) -> None:
    with_pattern = {
        name: parameter
        for name, parameter in template["Parameters"].items()
        if {"Default", "AllowedPattern"} <= set(parameter)
    }
    assert [name for name, parameter in with_pattern.items() if not accepts(parameter, parameter["Default"])] == []


@each(ACCEPTED)
def test_a_good_value_is_accepted(template: Template, name: str, value: str) -> None:
    assert accepts(template["Parameters"][name], value)


@each(REFUSED)
def test_a_bad_value_is_refused(template: Template, name: str, value: str) -> None:
    assert not accepts(template["Parameters"][name], value)


@each({"UPLOAD_ORIGIN": ACCEPTED["UploadOrigin"]})
def test_the_functions_accept_the_origins_of_the_template(name: str, value: str) -> None:
    settings.read({**ENVIRONMENT, name: value})


@each({name: ACCEPTED[name] for name in ("CustomModelARN", "LabelsofInterest", "OutputBucketName")})
def test_the_functions_accept_the_values_of_the_template(name: str, value: str) -> None:
    settings.read({**ENVIRONMENT, name: value})


# The parameters without a MaxLength or a list of values, with their longest value.
LONGEST = {
    "ExistingBucketName": "a" * 63,
    "TimeZone": "a" * 64,
    "ModelIdleMinutes": "9999",
    "ModelMaxHoursPerMonth": "999",
    "MaxImagesPerDay": "9999999",
}


@pytest.mark.parametrize("name", LONGEST)
def test_a_parameter_has_no_longer_value(template: Template, name: str) -> None:
    parameter = template["Parameters"][name]
    assert accepts(parameter, LONGEST[name])
    assert not accepts(parameter, LONGEST[name] + LONGEST[name][-1])


def longest(template: Template, setting: settings.Setting[Any]) -> str:
    """A value of the setting that is as long as any can be: names in the account have at most 80 characters."""
    parameter = template["Parameters"].get(setting.parameter, {})
    if setting.parameter in LONGEST:
        return LONGEST[setting.parameter]
    if "AllowedValues" in parameter:
        return max(map(str, parameter["AllowedValues"]), key=len)
    if parameter:
        return "a" * int(parameter["MaxLength"])
    # CloudFormation's names have the stack's, the logical id and 13 characters.
    name = f"{'s' * 57}-PredictionsDeadLetters-{'r' * 13}"
    in_account = f"ap-northeast-1:123456789012:{name}"
    return {
        settings.QUEUE_ARN: f"arn:aws-us-gov:sqs:{in_account}",
        settings.QUEUE_URL: f"https://sqs.ap-northeast-1.amazonaws.com/123456789012/{name}",
        settings.TOPIC_ARN: f"arn:aws-us-gov:sns:{in_account}",
        settings.TABLE: name,
        settings.BUCKET: "b" * 63,
        settings.STACK: "s" * 57,
        settings.API_URL_OR_NONE: "https://a1b2c3d4e5.execute-api.ap-northeast-1.amazonaws.com/api",
    }.get(setting.kind, "42000")


# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html; Lambda measures the variables as JSON.
ENVIRONMENT_LIMIT = 4096


def test_the_longest_values_fit_into_the_environment_of_a_function(
    template: Template, record_property: Callable[[str, object], None]
) -> None:
    environment = {setting.variable: longest(template, setting) for setting in settings.SETTINGS}
    size = len(json.dumps(environment, separators=(",", ":")))
    record_property("environment", f"{size} bytes, {ENVIRONMENT_LIMIT - size} left")
    sys.stdout.write(f"The environment has {size} bytes at most.\n")
    assert size <= ENVIRONMENT_LIMIT
