"""The values that the template accepts and refuses."""

from __future__ import annotations

import re
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
TEN_LABELS = ",".join(f"label-{number}:{number * 10}.5" for number in range(10))
PARAMETERS = {
    "CustomModelARN",
    "EmailNotification",
    "InputBucketName",
    "LabelsofInterest",
    "MinConfidence",
    "OutputBucketName",
}
ACCEPTED: dict[str, list[str]] = {
    "CustomModelARN": ["general", MODEL, *OTHER_PARTITIONS, MODEL.replace("leaves", "Rice_leaves.v2-b")],
    "EmailNotification": ["grower@example.com", "first.last+leaves@mail.example.co.uk"],
    "InputBucketName": ["abc", "leaves-2026", "0leaves0", "a" * 63],
    "OutputBucketName": ["abc", "leaves-2026-out", "0leaves0", "a" * 53],
    "LabelsofInterest": [
        *("*", "*:95", "leaf-smut", "leaf-smut:0", "leaf-smut:100", "leaf-smut:100.0", "leaf-smut:99.5"),
        *("bacterial-leaf-blight, leaf-smut : 90 ,brown spot", "Blattdürre:80,葉", TEN_LABELS),
    ],
    "ExistingBucketName": ["", "abc", "my.old.bucket"],
    "DatabaseName": ["labelwatch", "a", "leaves_2026"],
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
    "InputBucketName": ["ab", "Leaves", "leaves_in", "leaves.in", "-leaves", "leaves-", "s3://leaves", "a" * 64],
    "OutputBucketName": ["ab", "Leaves", "leaves_out", "leaves.out", "-leaves", "leaves-", "s3://leaves", "a" * 54],
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
        ),
    ],
    "ExistingBucketName": ["ab", "Leaves", ".leaves", "leaves_in", "a" * 64],
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


def test_min_confidence_is_a_number_from_0_to_100(template: Template) -> None:
    parameter = template["Parameters"]["MinConfidence"]
    assert (parameter["Type"], parameter["MinValue"], parameter["MaxValue"]) == ("Number", 0, 100)
