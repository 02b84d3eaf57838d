import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.model import ModelPolicy
from chalicelib.domain.rules import LabelOfInterest
from chalicelib.settings import SETTINGS, Setting, SettingError, Settings, examples, load, read
from tests.support.builders import ENVIRONMENT


def with_(**changes: str) -> dict[str, str]:
    return ENVIRONMENT | changes


def refusal(**changes: str) -> str:
    """The message about the changed variable."""
    with pytest.raises(SettingError) as caught:
        read(with_(**changes))
    message = str(caught.value)
    ((name, value),) = changes.items()
    assert message.startswith(f"{name} ")
    assert repr(value) in message
    return message


def test_the_labels_of_interest_are_read_with_their_own_thresholds_and_without_blanks() -> None:
    settings = read(with_(LabelsofInterest="  bacterial-leaf-blight ,leaf-smut : 90.5 "))
    assert settings.rules.labels_of_interest == (
        LabelOfInterest("bacterial-leaf-blight", None),
        LabelOfInterest("leaf-smut", 90.5),
    )


def test_a_label_may_hold_a_colon_where_a_threshold_follows() -> None:
    assert read(with_(LabelsofInterest="rice:smut:90")).rules.labels_of_interest == (LabelOfInterest("rice:smut", 90),)


def test_ten_labels_are_accepted_and_an_eleventh_is_refused() -> None:
    ten = [f"label-{number}" for number in range(10)]
    assert len(read(with_(LabelsofInterest=",".join(ten))).rules.labels_of_interest) == 10
    assert "at most 10 labels" in refusal(LabelsofInterest=",".join([*ten, "one-more"]))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("leaf-smut, Leaf-Smut:90", "'leaf-smut' more than once"),
        ("*, *:50", "'*' more than once"),
        ("leaf-smut,,rust", "not ''"),
        ("leaf-smut,", "not ''"),
        (":90", "not ':90'"),
        ("leaf-smut:", "from 0 to 100, not ''"),
        ("leaf-smut:101", "not '101'"),
        ("leaf-smut:-1", "not '-1'"),
        ("leaf-smut:nan", "not 'nan'"),
        ("leaf-smut:high", "not 'high'"),
    ],
)
def test_a_mistake_in_the_labels_of_interest_is_named(text: str, wrong: str) -> None:
    assert wrong in refusal(LabelsofInterest=text)


@pytest.mark.parametrize("text", ["-1", "100.1", "nan", "inf", "1e3", "eighty", "8_0", "８０"])
def test_a_confidence_that_is_no_number_from_0_to_100_is_refused(text: str) -> None:
    assert "from 0 to 100" in refusal(MinConfidence=text)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("100", 100), (" 72.5 ", 72.5), ("1e2", 100), (".5", 0.5)])
def test_a_confidence_from_0_to_100_is_accepted(text: str, value: float) -> None:
    assert read(with_(MinConfidence=text)).rules.min_confidence == value


@pytest.mark.parametrize("name", sorted(ENVIRONMENT))
def test_a_variable_that_is_missing_is_named(name: str) -> None:
    environ = {key: value for key, value in ENVIRONMENT.items() if key != name}
    with pytest.raises(SettingError, match=f"^{name} is not set"):
        read(environ)


@pytest.mark.parametrize(
    "setting",
    # A function with an unknown time zone goes on with UTC.
    [setting for setting in SETTINGS if setting not in {Settings.labels_of_interest, Settings.time_zone}],
    ids=lambda setting: setting.variable,
)
def test_a_variable_that_is_unusable_is_named_with_what_would_be_right(setting: Setting[object]) -> None:
    assert setting.kind.expected in refusal(**{setting.variable: "no good!"})


@pytest.mark.parametrize(
    "arn",
    [
        "general",
        "arn:aws-cn:rekognition:cn-north-1:123456789012:project/p/version/v.1/1",
        "arn:aws-us-gov:rekognition:us-gov-west-1:123456789012:project/My_Project-1/version/My.v_1/1700000000000",
    ],
)
def test_a_model_of_any_partition_is_accepted_and_the_word_general(arn: str) -> None:
    assert read(with_(CustomModelARN=arn)).model == arn


@pytest.mark.parametrize("arn", ["General", "arn:aws:rekognition:eu-west-1:123456789012:project/p", "arn:aws:s3:::x"])
def test_an_arn_of_something_else_than_a_model_version_is_refused(arn: str) -> None:
    assert "or general" in refusal(CustomModelARN=arn)


def test_the_defaults_are_the_safe_values() -> None:
    settings = read(ENVIRONMENT)
    assert not settings.partial_batch_responses
    assert settings.picture_links
    assert settings.existing_bucket == ""
    assert settings.upload_origin == ""
    assert settings.presigned_upload_seconds == 900
    assert (settings.retry_seconds, settings.defer_seconds) == (30, 300)


@pytest.mark.parametrize("name", ["PARTIAL_BATCH_RESPONSES", "PICTURE_LINKS"])
def test_a_switch_accepts_only_yes_and_no(name: str) -> None:
    assert "yes or no" in refusal(**{name: "true"})


@pytest.mark.parametrize("text", ["0", "1.5", "42001", "soon"])
def test_a_delay_is_a_whole_number_of_seconds_that_sqs_accepts(text: str) -> None:
    assert "from 1 to 42000" in refusal(DEFER_SECONDS=text)


def test_an_existing_bucket_is_accepted() -> None:
    assert read(with_(EXISTING_BUCKET_NAME="old.bucket")).existing_bucket == "old.bucket"


@pytest.mark.parametrize("origin", ["https://example.com", "https://a.example.com:8443", "http://localhost:3000"])
def test_an_origin_of_a_page_is_accepted(origin: str) -> None:
    assert read(with_(UPLOAD_ORIGIN=origin)).upload_origin == origin


@pytest.mark.parametrize(
    "origin", ["*", "null", "example.com", "http://example.com", "https://example.com/", "https://a.com,https://b.com"]
)
def test_an_origin_with_a_path_or_of_any_page_is_refused(origin: str) -> None:
    assert "without a path" in refusal(UPLOAD_ORIGIN=origin)


@pytest.mark.parametrize("text", ["0", "901", "soon"])
def test_a_presigned_upload_is_valid_for_15_minutes_at_most(text: str) -> None:
    assert "from 1 to 900" in refusal(PRESIGNED_UPLOAD_SECONDS=text)


def test_a_mistake_ends_the_process_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in with_(MinConfidence="high").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=r"^labelwatch: MinConfidence 'high' [^\n]*$"):
        load()


def test_without_a_stage_the_message_says_how_to_create_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit, match="labelwatch up --stage NAME"):
        load()


@given(st.text())
def test_any_text_as_labels_of_interest_is_read_or_refused_by_name(text: str) -> None:
    try:
        labels = read(with_(LabelsofInterest=text)).rules.labels_of_interest
    except SettingError as mistake:
        assert str(mistake).startswith("LabelsofInterest ")  # noqa: PT017 - either outcome is right
    else:
        assert 1 <= len(labels) <= 10
        assert all(label.name == label.name.strip() != "" for label in labels)


def test_by_default_the_model_is_neither_started_nor_stopped() -> None:
    assert read(ENVIRONMENT).model_policy == ModelPolicy(
        auto_start=False, idle_minutes=0, idle_stops_any=False, max_hours=0
    )


def test_the_model_policy_is_read() -> None:
    model_policy = read(
        with_(MODEL_AUTO_START="yes", MODEL_IDLE_MINUTES="30", MODEL_IDLE_STOPS="any", MODEL_MAX_HOURS_PER_MONTH="40")
    ).model_policy
    assert model_policy == ModelPolicy(auto_start=True, idle_minutes=30, idle_stops_any=True, max_hours=40)


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("MODEL_AUTO_START", "on", "yes or no"),
        ("MODEL_IDLE_MINUTES", "-1", "from 0 to 9999"),
        ("MODEL_IDLE_MINUTES", "10000", "from 0 to 9999"),
        ("MODEL_IDLE_STOPS", "all", "own or any"),
        ("MODEL_MAX_HOURS_PER_MONTH", "1.5", "from 0 to 999"),
        ("MODEL_MAX_HOURS_PER_MONTH", "1000", "from 0 to 999"),
    ],
)
def test_a_model_policy_out_of_range_is_refused(name: str, value: str, right: str) -> None:
    assert right in refusal(**{name: value})


def test_the_examples_are_read_and_are_of_every_variable_without_a_default() -> None:
    read(examples())
    assert examples().keys() == ENVIRONMENT.keys()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_the_example_of_a_setting_and_its_default_are_right(setting: Setting[object]) -> None:
    setting.parse(setting.kind.example)
    if setting.default is not None:
        setting.parse(setting.default)


@pytest.mark.parametrize(
    ("setting", "output"),
    [
        (Settings.images_queue_arn, "ImagesQueueArn"),
        (Settings.model, "CustomModelARN"),
        (Settings.model_max_hours_per_month, "ModelMaxHoursPerMonth"),
        (Settings.input_bucket, "InputBucket"),
        (Settings.retry_seconds, None),
    ],
)
def test_a_setting_of_the_stack_names_its_output(setting: Setting[object], output: str | None) -> None:
    assert setting.output == output


def test_a_setting_cannot_be_changed() -> None:
    settings = read(ENVIRONMENT)
    with pytest.raises(AttributeError, match="read-only"):
        settings.model = "general"  # type: ignore[misc]
