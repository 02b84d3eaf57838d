import json
from pathlib import Path

import pytest

from chalicelib import settings
from labelwatch.deploy import stage
from labelwatch.deploy.packaging import resources
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT
from tests.support import fake_account
from tests.support.builders import ENVIRONMENT

ROLE = "arn:aws:iam::123456789012:role/labelwatch-prod-{}"
STACK = "labelwatch-prod"
OUTPUTS = (
    fake_account.OUTPUTS
    | {
        "Tracing": "no",
        "PictureLinks": "yes",
        "TimeZone": "UTC",
        "UploadOrigin": "",
        "ModelAutoStart": "no",
        "ModelIdleMinutes": "0",
    }
    | {"MaxImagesPerDay": "0"}
    | {"ModelIdleStops": "own", "ModelMaxHoursPerMonth": "0", "ExistingBucketName": ""}
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration as it stands in the repository."""
    file = tmp_path / "config.json"
    file.write_bytes((PROJECT / ".chalice" / "config.json").read_bytes())
    return file


def written(config: Path, **changes: str) -> dict[str, object]:
    stage.write(config, "prod", STACK, OUTPUTS | changes)
    content: dict[str, object] = json.loads(config.read_text())["stages"]["prod"]
    return content


def test_the_environment_is_what_the_functions_read(config: Path) -> None:
    variables = written(config)["environment_variables"]
    assert isinstance(variables, dict)
    stage_settings = settings.read(variables)
    assert (stage_settings.stack_name, stage_settings.topic_arn) == (STACK, ENVIRONMENT["ALERTS_TOPIC_ARN"])
    assert not stage_settings.partial_batch_responses  # chalice deploy creates mappings that read none


def test_the_configuration_keeps_its_mode(config: Path) -> None:
    config.chmod(0o640)
    written(config)
    assert oct(config.stat().st_mode & 0o777) == "0o640"


def test_every_output_and_parameter_that_a_stage_reads_is_in_the_template() -> None:
    template = resources()
    assert {*stage.VARIABLES.values(), *stage.ROLES.values()} <= template["Outputs"].keys() | template[
        "Parameters"
    ].keys()


def test_every_function_has_its_role_and_ingest_only_with_an_existing_bucket(config: Path) -> None:
    functions = written(config)["lambda_functions"]
    assert isinstance(functions, dict)
    assert {name: function["iam_role_arn"] for name, function in functions.items()} == {
        name: ROLE.format(name) for name in stage.ROLES if name != "ingest"
    }
    with_ingest = written(config, ExistingBucketName="old", IngestRoleArn=ROLE.format("ingest"))["lambda_functions"]
    assert isinstance(with_ingest, dict)
    assert "ingest" in with_ingest
    assert "ingest" not in str(written(config)["lambda_functions"])


def test_traces_are_recorded_only_where_tracing_is_on(config: Path) -> None:
    assert [written(config, Tracing=word)["xray"] for word in ("yes", "no")] == [True, False]


def test_the_same_outputs_change_nothing(config: Path) -> None:
    assert stage.write(config, "prod", STACK, OUTPUTS)
    before = config.stat()
    assert not stage.write(config, "prod", STACK, OUTPUTS)
    assert config.stat().st_mtime_ns == before.st_mtime_ns


def test_additions_to_the_stage_stay(config: Path) -> None:
    written(config)
    content = json.loads(config.read_text())
    content["stages"]["prod"]["lambda_memory_size"] = 1024
    content["stages"]["prod"]["environment_variables"]["PRESIGNED_UPLOAD_SECONDS"] = "60"
    content["stages"]["prod"]["lambda_functions"]["detect"]["lambda_timeout"] = 50
    config.write_text(json.dumps(content))
    after = json.dumps(written(config, MinConfidence="70"))
    assert '"lambda_memory_size": 1024' in after
    assert '"PRESIGNED_UPLOAD_SECONDS": "60"' in after
    assert '"lambda_timeout": 50' in after


def test_a_number_is_written_as_the_text_that_lambda_requires(config: Path) -> None:
    written(config)
    content = json.loads(config.read_text())
    content["stages"]["prod"]["environment_variables"]["PRESIGNED_UPLOAD_SECONDS"] = 60
    config.write_text(json.dumps(content))
    assert '"PRESIGNED_UPLOAD_SECONDS": "60"' in json.dumps(written(config))


def test_a_configuration_without_a_memory_size_leaves_it_to_chalice(config: Path) -> None:
    content = json.loads(config.read_text())
    del content["lambda_memory_size"]
    config.write_text(json.dumps(content))
    assert "lambda_memory_size" not in written(config)


def test_added_tags_stay_beside_that_of_the_stack(config: Path) -> None:
    written(config)
    content = json.loads(config.read_text())
    content["stages"]["prod"]["tags"]["team"] = "plants"
    config.write_text(json.dumps(content))
    assert written(config)["tags"] == {"team": "plants", "stack": "labelwatch-prod"}


def test_a_stage_knows_its_region_and_account(config: Path) -> None:
    assert stage.region_and_account(config, "prod") is None
    written(config)
    region, account = ENVIRONMENT["IMAGES_QUEUE_ARN"].split(":")[3:5]
    assert stage.region_and_account(config, "prod") == (region, account)


@pytest.mark.parametrize("arn", ["TODO", 5, None])
def test_a_stage_without_a_queue_is_of_no_region(config: Path, arn: object) -> None:
    put(config, {"environment_variables": {"IMAGES_QUEUE_ARN": arn}})
    assert stage.region_and_account(config, "prod") is None


def test_a_copy_of_the_packaging_stage_is_of_no_region(config: Path) -> None:
    put(config, json.loads(config.read_text())["stages"]["template"])
    assert stage.region_and_account(config, "prod") is None


def test_outputs_of_an_older_template_are_not_checked(config: Path) -> None:
    put(config, {"environment_variables": {"PRESIGNED_UPLOAD_SECONDS": "soon"}})
    stage.check(config, "prod", "labelwatch-prod", {})
    with pytest.raises(UserError, match="PRESIGNED_UPLOAD_SECONDS"):
        stage.check(config, "prod", STACK, OUTPUTS)


def put(config: Path, content_of_stage: object) -> None:
    content = json.loads(config.read_text())
    content["stages"]["prod"] = content_of_stage
    config.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "wrong", ["prod", {"environment_variables": []}, {"tags": "x"}, {"lambda_functions": {"detect": "x"}}]
)
def test_a_stage_of_another_form_is_refused(config: Path, wrong: object) -> None:
    put(config, wrong)
    with pytest.raises(UserError, match="Expected `object`"):
        stage.check(config, "prod", STACK, OUTPUTS)


def test_the_other_stages_stay(config: Path) -> None:
    before = json.loads(config.read_text())
    written(config)
    assert stage.remove(config, "prod")
    assert json.loads(config.read_text()) == before
    assert not stage.remove(config, "prod")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stages": {}}', '{"stages": []}', "no"])
def test_a_file_that_is_no_configuration_is_refused(config: Path, text: str) -> None:
    config.write_text(text)
    with pytest.raises(UserError, match=r"config\.json"):
        stage.write(config, "prod", STACK, OUTPUTS)
