import re
from collections.abc import Callable
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwatch.commands import deploy
from labelwatch.deploy import parameter_file, parameters
from labelwatch.deploy.package import resources
from labelwatch.shared.errors import UserError

TEMPLATE = resources()
GIVEN = {"EmailNotification": "grower@example.com", "InputBucketName": "images", "OutputBucketName": "predictions"}


def complete(given_: dict[str, str], previous: dict[str, str] | None = None) -> dict[str, str]:
    return parameters.complete(TEMPLATE, given_, previous, None)


def test_what_is_not_given_is_the_template_s_default() -> None:
    values = complete(GIVEN)
    assert values.items() >= (GIVEN | {"CustomModelARN": "general", "MinConfidence": "80", "Tracing": "no"}).items()
    assert set(values) == set(TEMPLATE["Parameters"])


def test_what_is_given_goes_before_what_it_was_and_that_before_the_default() -> None:
    previous = complete(GIVEN) | {"MinConfidence": "70", "LabelsofInterest": "leaf-smut"}
    values = complete({"MinConfidence": "60"}, previous)
    assert (values["MinConfidence"], values["LabelsofInterest"]) == ("60", "leaf-smut")


def test_a_parameter_that_the_stack_had_and_the_template_has_no_more_is_left_out() -> None:
    assert "Old" not in complete({}, complete(GIVEN) | {"Old": "x"})


def test_what_is_missing_is_named_with_its_options() -> None:
    with pytest.raises(
        UserError, match=r"^EmailNotification, OutputBucketName must be given: --email-notification, --out"
    ):
        complete({"InputBucketName": "images"})


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("CustomModelARN", "leaves", "must be the ARN of a model version"),
        ("EmailNotification", "grower", "must be one e-mail address"),
        ("InputBucketName", "Leaves", "must be a bucket name of 3 to 63"),
        ("OutputBucketName", "a" * 54, "must be a bucket name of 3 to 53"),
        ("LabelsofInterest", "leaf-smut:101", "must be 1 to 10 labels"),
        ("LabelsofInterest", "leaf-smut, Leaf-Smut", "names 'leaf-smut' more than once"),
        ("MinConfidence", "101", "must be a number from 0 to 100"),
        ("MinConfidence", "high", "must be a number from 0 to 100"),
        ("Tracing", "on", "must be one of yes, no"),
        ("ModelAutoStart", "on", "must be one of yes, no"),
        ("ModelIdleMinutes", "1.5", "must be a whole number of minutes from 0 to 9999"),
        ("ModelIdleMinutes", "00", "must be a whole number of minutes from 0 to 9999"),
        ("ModelIdleStops", "all", "must be one of own, any"),
        ("ModelMaxHoursPerMonth", "1000", "must be a whole number of hours from 0 to 999"),
        ("UploadOrigin", "*", "must be an origin"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_what_would_be_right(name: str, value: str, right: str) -> None:
    with pytest.raises(UserError, match=f"^{name} is .*{right}"):
        complete(GIVEN | {name: value})


def test_a_name_that_is_no_parameter_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match=r"^InputBucket is no parameter; there are CustomModelARN, Email"):
        complete(GIVEN | {"InputBucket": "images"})


def answers(*values: str) -> tuple[list[tuple[str, str, str]], Callable[[str, str, str], str]]:
    """What was asked, and somebody who answers so, and then with the default."""
    asked: list[tuple[str, str, str]] = []
    left = list(values)

    def ask(name: str, text: str, default: str) -> str:
        asked.append((name, text, default))
        return left.pop(0) if left else default

    return asked, ask


def test_somebody_who_is_there_is_asked_for_the_main_ones_that_are_missing() -> None:
    asked, ask = answers()
    values = parameters.complete(TEMPLATE, GIVEN, None, ask)
    assert [(name, default) for name, _, default in asked] == [
        ("CustomModelARN", "general"),
        ("LabelsofInterest", "*"),
        ("MinConfidence", "80"),
    ]
    assert values["LabelsofInterest"] == "*"


def test_an_answer_that_cannot_be_is_asked_for_again_and_says_why() -> None:
    asked, ask = answers("leaves", "general")
    assert parameters.complete(TEMPLATE, GIVEN, None, ask)["CustomModelARN"] == "general"
    assert "must be the ARN of a model version" in asked[1][1]


def test_nobody_is_asked_where_the_stack_is_there_already() -> None:
    asked, ask = answers()
    parameters.complete(TEMPLATE, {}, complete(GIVEN), ask)
    assert asked == []


@pytest.mark.parametrize(
    "text",
    [
        '{"InputBucketName": "images", "MinConfidence": 72.5}',
        "InputBucketName: images\nMinConfidence: 72.5\n",
        """[{"ParameterKey": "InputBucketName", "ParameterValue": "images"},
            {"ParameterKey": "MinConfidence", "ParameterValue": "72.5"}]""",
    ],
    ids=["json", "yaml", "cloudformation"],
)
def test_a_file_of_parameters_is_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prod.json"
    file.write_text(text)
    assert parameter_file.read(file) == {"InputBucketName": "images", "MinConfidence": "72.5"}


def test_what_stands_in_a_file_is_taken_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "prod.yaml"
    file.write_text("Tracing: yes\nPictureLinks: no\nLabelsofInterest: 12:30\nMinConfidence: 080\n")
    assert parameter_file.read(file) == {
        "Tracing": "yes", "PictureLinks": "no", "LabelsofInterest": "12:30", "MinConfidence": "080",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "images", "[1]", "[{}]", "a: [", "Tracing: [yes]", "Tracing: {a: b}", "Tracing: null", "Tracing:", "\x00"],
)
def test_a_file_that_holds_no_parameters_is_told_by_its_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prod.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"prod\.yaml"):
        parameter_file.read(file)


@given(st.binary())
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "prod.yaml"
    file.write_bytes(content)
    try:
        values = parameter_file.read(file)
    except UserError:
        return
    assert all(isinstance(one, str) for pair in values.items() for one in pair)


@given(st.sampled_from(sorted(TEMPLATE["Parameters"])), st.text())
def test_any_value_is_taken_or_refused_by_its_name(name: str, value: str) -> None:
    try:
        parameters.check(name, TEMPLATE["Parameters"][name], value)
    except UserError as mistake:
        assert str(mistake).startswith(f"{name} is ")  # noqa: PT017 - either outcome is right


def test_the_options_are_called_as_the_parameters_are() -> None:
    assert [parameters.option(name) for name in parameters.MAIN] == [
        "--custom-model-arn",
        "--email-notification",
        "--input-bucket-name",
        "--labels-of-interest",
        "--min-confidence",
        "--output-bucket-name",
    ]


def test_the_help_of_up_requires_what_the_template_has_no_default_for_and_names_the_defaults_of_the_others() -> None:
    hints = get_type_hints(deploy.up, include_extras=True)
    for name, parameter in resources()["Parameters"].items():
        # Of one, the option is named by what it does; of the other, `up` itself has another default.
        if name in {"ExistingBucketName", "DatabaseName"}:
            continue
        told = hints[parameters.option(name).removeprefix("--").replace("-", "_")].__metadata__[0].help
        if "Default" not in parameter:
            assert told.endswith("; required the first time.")
        else:
            default = re.search(r"default:? (\w+)|(\S+)(?: for any)?, the default", told)
            assert default, told
            assert (default[1] or default[2]) == (str(parameter["Default"]) or "none")
