import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.settings import SETTINGS
from labelwatch.__main__ import app
from labelwatch.deploy import parameter_file, parameters
from labelwatch.deploy.packaging import resources
from labelwatch.deploy.parameters import PARAMETERS, Parameter, option
from labelwatch.shared.errors import UserError
from tests.support.builders import MODEL

TEMPLATE = resources()
GIVEN = {"EmailNotification": "grower@example.com", "InputBucketName": "images", "OutputBucketName": "predictions"}


def complete(given_: dict[str, str], previous: dict[str, str] | None = None) -> dict[str, str]:
    return parameters.complete(TEMPLATE, given_, previous, None)


def test_a_value_that_is_not_given_is_the_template_s_default() -> None:
    values = complete(GIVEN)
    assert values.items() >= (GIVEN | {"CustomModelARN": "general", "MinConfidence": "80", "Tracing": "no"}).items()
    assert set(values) == set(TEMPLATE["Parameters"])


def test_a_given_value_wins_over_the_previous_one_and_that_over_the_default() -> None:
    previous = complete(GIVEN) | {"MinConfidence": "70", "LabelsofInterest": "leaf-smut"}
    values = complete({"MinConfidence": "60"}, previous)
    assert (values["MinConfidence"], values["LabelsofInterest"]) == ("60", "leaf-smut")


def test_a_parameter_of_the_stack_that_the_template_lacks_is_left_out() -> None:
    assert "Old" not in complete({}, complete(GIVEN) | {"Old": "x"})


def test_missing_parameters_are_named_with_their_options() -> None:
    with pytest.raises(UserError) as refusal:
        complete({"InputBucketName": "images"})
    assert "EmailNotification, OutputBucketName" in str(refusal.value)
    assert "--email-notification and --output-bucket-name" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("CustomModelARN", "leaves", "arn:aws:rekognition"),
        ("EmailNotification", "grower", "grower@example.com"),
        ("InputBucketName", "Leaves", "63"),
        ("InputBucketName", "xn--leaves", "reserves"),
        ("OutputBucketName", "a" * 54, "53"),
        ("LabelsofInterest", "leaf-smut:0.9", "percent"),
        ("LabelsofInterest", "leaf-smut;rust", "commas"),
        ("LabelsofInterest", "葉" * 171, "512 bytes, not 513"),
        ("MinConfidence", "0.8", "80, not 0.8"),
        ("LabelsofInterest", "leaf-smut:101", "leaf-smut:90"),
        ("LabelsofInterest", "leaf-smut, Leaf-Smut", "more than once"),
        ("MinConfidence", "101", "1 to 100"),
        ("MinConfidence", "high", "1 to 100"),
        ("Tracing", "on", "yes, no"),
        ("ModelAutoStart", "on", "yes, no"),
        ("ModelIdleMinutes", "1.5", "0 to 9999"),
        ("ModelIdleMinutes", "00", "0 to 9999"),
        ("ModelIdleStops", "all", "own, any"),
        ("ModelMaxHoursPerMonth", "1000", "0 to 999"),
        ("MaxImagesPerDay", "10000000", "0 to 9999999"),
        ("UploadOrigin", "*", "https://example.com"),
        ("ImageDays", "0.5", "whole number of days"),
        ("ImageDays", "-1", "0 to 9999"),
        ("PredictionDays", "29", "30 to 9999"),
    ],
)
def test_a_wrong_value_is_named_with_the_valid_values(name: str, value: str, valid: str) -> None:
    with pytest.raises(UserError) as refusal:
        complete(GIVEN | {name: value})
    assert str(refusal.value).startswith(f"{name} {value!r} ")
    assert valid in str(refusal.value)


def test_an_unknown_parameter_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(UserError) as refusal:
        complete(GIVEN | {"InputBucket": "images"})
    assert str(refusal.value).startswith("InputBucket ")
    assert ", ".join(TEMPLATE["Parameters"]) in str(refusal.value)


def answers(*values: str) -> tuple[list[tuple[str, str, str]], Callable[[str, str, str], str]]:
    """The questions, and a function that answers them with these values, and then with the defaults."""
    questions: list[tuple[str, str, str]] = []
    remaining = list(values)

    def ask(name: str, text: str, default: str) -> str:
        questions.append((name, text, default))
        return remaining.pop(0) if remaining else default

    return questions, ask


def test_at_a_terminal_the_missing_main_parameters_are_prompted_for() -> None:
    questions, ask = answers()
    values = parameters.complete(TEMPLATE, GIVEN, None, ask)
    assert [(name, default) for name, _, default in questions] == [
        ("CustomModelARN", "general"),
        ("LabelsofInterest", "*"),
        ("MinConfidence", "80"),
        ("MaxImagesPerDay", "1000"),
    ]
    assert values["MaxImagesPerDay"] == "1000"
    assert values["LabelsofInterest"] == "*"


def test_a_limit_of_images_is_proposed_with_its_price_where_images_are_paid_one_by_one() -> None:
    questions, ask = answers("general", "*", "80", "250")
    assert parameters.complete(TEMPLATE, GIVEN, None, ask)["MaxImagesPerDay"] == "250"
    assert "1 USD" in questions[-1][1]


@pytest.mark.parametrize("given", [{"CustomModelARN": MODEL}, {"MaxImagesPerDay": "0"}])
def test_no_limit_of_images_is_proposed_for_a_model_that_is_paid_by_the_hour_or_where_the_limit_is_given(
    given: dict[str, str],
) -> None:
    questions, ask = answers()
    assert parameters.complete(TEMPLATE, GIVEN | given, None, ask)["MaxImagesPerDay"] == "0"
    assert "MaxImagesPerDay" not in [name for name, _, _ in questions]


def test_without_a_terminal_images_have_no_limit() -> None:
    assert complete(GIVEN)["MaxImagesPerDay"] == "0"


def test_an_automatic_start_without_a_limit_of_hours_is_refused_with_the_option() -> None:
    with pytest.raises(UserError, match="--model-max-hours-per-month"):
        complete(GIVEN | {"ModelAutoStart": "yes"})
    assert complete(GIVEN | {"ModelAutoStart": "yes", "ModelMaxHoursPerMonth": "1"})["ModelAutoStart"] == "yes"


def test_a_limit_of_hours_cannot_be_removed_from_a_stack_that_starts_its_model() -> None:
    before = complete(GIVEN | {"ModelAutoStart": "yes", "ModelMaxHoursPerMonth": "40"})
    with pytest.raises(UserError, match="ModelAutoStart"):
        parameters.complete(TEMPLATE, {"ModelMaxHoursPerMonth": "0"}, before, None)


def test_a_wrong_answer_is_prompted_for_once_more_with_the_reason() -> None:
    questions, ask = answers("leaves", "general")
    assert parameters.complete(TEMPLATE, GIVEN, None, ask)["CustomModelARN"] == "general"
    assert "'leaves'" in questions[1][1]


def refusing(*refused: str) -> parameters.CheckInAccount:
    """An account that refuses these values."""

    def check(name: str, values: dict[str, str]) -> None:
        if values[name] in refused:
            raise UserError(f"{values[name]} is taken.")

    return check


def test_an_answer_that_the_account_refuses_is_prompted_for_once_more_with_the_reason() -> None:
    questions, ask = answers("taken", "free")
    given = {name: value for name, value in GIVEN.items() if name != "InputBucketName"}
    given |= {"CustomModelARN": "general", "LabelsofInterest": "*", "MinConfidence": "80", "MaxImagesPerDay": "0"}
    values = parameters.complete(TEMPLATE, given, None, ask, refusing("taken"))
    assert values["InputBucketName"] == "free"
    assert [(name, "taken" in text) for name, text, _ in questions] == [
        ("InputBucketName", False),
        ("InputBucketName", True),
    ]


def test_a_given_value_that_the_account_refuses_is_refused_before_the_first_question() -> None:
    questions, ask = answers()
    with pytest.raises(UserError, match="images"):
        parameters.complete(TEMPLATE, GIVEN, None, ask, refusing("images"))
    assert questions == []


def test_an_existing_stack_needs_no_prompt() -> None:
    questions, ask = answers()
    parameters.complete(TEMPLATE, {}, complete(GIVEN), ask)
    assert questions == []


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


def test_the_texts_of_a_file_are_read_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "prod.yaml"
    file.write_text("Tracing: yes\nPictureLinks: no\nLabelsofInterest: 12:30\nMinConfidence: 080\n")
    assert parameter_file.read(file) == {
        "Tracing": "yes", "PictureLinks": "no", "LabelsofInterest": "12:30", "MinConfidence": "080",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "images", "[1]", "[{}]", "a: [", "Tracing: [yes]", "Tracing: {a: b}", "Tracing: null", "Tracing:", "\x00"],
)
def test_a_file_without_parameters_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
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
    assert all(isinstance(text, str) for pair in values.items() for text in pair)


@example("LabelsofInterest", "\udcff")  # from a shell: a byte that is no text
@given(st.sampled_from(sorted(TEMPLATE["Parameters"])), st.text())
def test_any_value_is_accepted_or_refused_by_its_name(name: str, value: str) -> None:
    try:
        parameters.check(name, TEMPLATE["Parameters"][name], value)
    except UserError as mistake:
        assert str(mistake).startswith(f"{name} {value!r} ")  # noqa: PT017 - either outcome is right


def test_the_options_are_called_as_the_parameters_are() -> None:
    assert [parameters.option(name) for name in parameters.MAIN] == [
        "--custom-model-arn",
        "--email-notification",
        "--input-bucket-name",
        "--labels-of-interest",
        "--min-confidence",
        "--output-bucket-name",
    ]


SETTING_OF = {setting.parameter: setting for setting in SETTINGS if setting.parameter}


def missing_edits(parameter: Parameter, template: dict[str, Any], choices: tuple[str, ...]) -> list[str]:
    """What a declared parameter still needs, file by file."""
    name, template_file = parameter.name, "infra/resources.yaml"
    written = template["Parameters"].get(name, {})
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    rules = {"AllowedPattern", "MinValue"} if not choices else {"AllowedValues"}
    edits = {
        f"{template_file}: Parameters: {name} with the Description {parameter.help!r}": (
            written.get("Description") == parameter.help
        ),
        f"{template_file}: Parameters: {name} with the Default {parameter.default!r}": (
            str(written["Default"]) if "Default" in written else None
        )
        == parameter.default,
        f"{template_file}: Parameters: {name} with {' or '.join(sorted(rules))} {choices or ''}": (
            bool(rules & set(written)) and tuple(written.get("AllowedValues", ())) == choices
        ),
        f"{template_file}: Metadata: {name} in the Parameters of a group": (
            sum(name in group["Parameters"] for group in groups) == 1
        ),
        f"{template_file}: Resources: Database: parameters: ${{{name}}}": (
            parameter.default is None or f"${{{name}}}" in json.dumps(template["Resources"]["Database"])
        ),
    }
    return [edit for edit, done in edits.items() if not done]


def choices_of(name: str) -> tuple[str, ...]:
    return (
        SETTING_OF[name].kind.choices if name in SETTING_OF else TEMPLATE["Parameters"][name].get("AllowedValues", ())
    )


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_declared_parameter_is_in_the_template(name: str) -> None:
    assert missing_edits(PARAMETERS[name], TEMPLATE, tuple(choices_of(name))) == []


def test_every_parameter_of_the_template_is_declared() -> None:
    undeclared = set(TEMPLATE["Parameters"]) - set(PARAMETERS)
    assert not undeclared, f"give {undeclared} a help text in chalicelib/settings.py or labelwatch/deploy/parameters.py"


def forget(part: str) -> dict[str, Any]:
    """The template without one of the edits of PictureLinks."""
    template = copy.deepcopy(TEMPLATE)
    if part == "group":
        for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]:
            group["Parameters"] = [name for name in group["Parameters"] if name != "PictureLinks"]
    elif part == "Database":
        template["Resources"]["Database"] = {}
    elif part == "Parameters":
        del template["Parameters"]["PictureLinks"]
    else:
        del template["Parameters"]["PictureLinks"][part]
    return template


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("Parameters", "Parameters: PictureLinks with the Description "),
        ("Description", "Parameters: PictureLinks with the Description "),
        ("Default", "Parameters: PictureLinks with the Default 'yes'"),
        ("AllowedValues", "Parameters: PictureLinks with AllowedValues ('yes', 'no')"),
        ("group", "Metadata: PictureLinks in the Parameters of a group"),
        ("Database", "Database: parameters: ${PictureLinks}"),
    ],
)
def test_a_forgotten_edit_is_named(part: str, message: str) -> None:
    assert message in missing_edits(PARAMETERS["PictureLinks"], forget(part), ("yes", "no"))[0]


def test_up_has_an_option_for_every_parameter_and_its_help_has_the_default() -> None:
    group: Any = typer.main.get_command(app)
    options = {declared.opts[0]: declared.help for declared in group.commands["up"].params}
    for name, parameter in PARAMETERS.items():
        if parameter.default is None:
            assert "Required" in options[option(name)]
        elif name == "DatabaseName":
            assert options[option(name)].endswith(" labelwatch_STAGE.")
        else:
            assert options[option(name)].endswith(f" {parameter.default or 'none ("")'}.")
