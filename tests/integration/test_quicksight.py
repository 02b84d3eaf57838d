"""`labelwatch quicksight` against a fake with state, behind botocore's own model of each call."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from labelwatch.__main__ import app
from labelwatch.analytics import DEFINITION
from labelwatch.commands import quicksight as commands
from labelwatch.quicksight import setup
from labelwatch.quicksight.asset_types import ANALYSIS, DASHBOARD, DATA_SET, DATA_SOURCE, Location
from labelwatch.quicksight.assets import SENT_TAG, Assets
from labelwatch.quicksight.errors import NOT_SIGNED_UP, STANDARD_EDITION
from labelwatch.quicksight.setup import Options
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT
from tests.support.fake_quicksight import OWNER, FakeQuickSight

STACK = "labelwatch-prod"
ANN = f"arn:aws:quicksight:eu-central-1:{OWNER}:user/default/ann"
RON = f"arn:aws:quicksight:eu-central-1:{OWNER}:user/default/ron"
GROWERS = f"arn:aws:quicksight:eu-central-1:{OWNER}:group/default/growers"
ASSET_TYPES = ["DataSource", "DataSet", "Analysis", "Dashboard"]
NAMES = ["data source", "data set", "analysis", "dashboard"]
OUTPUTS = {
    "OutputBucket": "predictions",
    "DatabaseName": "labelwatch_prod",
    "WorkgroupName": STACK,
    "QuickSightRoleArn": f"arn:aws:iam::{OWNER}:role/quicksight",
}
# What the owner and the viewer of each type are granted. Viewers and owners of dashboards, data sets and data sources:
# https://docs.aws.amazon.com/quicksight/latest/developerguide/update-dashboard-permissions.html, and beside it
# update-data-set-permissions and update-data-source-permissions; owners, the analysis' too, in the reference of
# AWS::QuickSight::Dashboard, DataSet, DataSource and Analysis.
DASHBOARD_VIEWER = {"DescribeDashboard", "ListDashboardVersions", "QueryDashboard"}
OWNERS = {
    "DataSource": {
        *("DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource"),
        *("UpdateDataSource", "DeleteDataSource", "UpdateDataSourcePermissions"),
    },
    "DataSet": {
        *("DescribeDataSet", "DescribeDataSetPermissions", "PassDataSet", "DescribeIngestion", "ListIngestions"),
        *("UpdateDataSet", "DeleteDataSet", "CreateIngestion", "CancelIngestion", "UpdateDataSetPermissions"),
    },
    "Analysis": {
        *("RestoreAnalysis", "UpdateAnalysisPermissions", "DeleteAnalysis", "DescribeAnalysisPermissions"),
        *("QueryAnalysis", "DescribeAnalysis", "UpdateAnalysis"),
    },
    "Dashboard": {
        *(*DASHBOARD_VIEWER, "UpdateDashboardPermissions", "UpdateDashboard", "DeleteDashboard"),
        *("DescribeDashboardPermissions", "UpdateDashboardPublishedVersion"),
    },
}
PERMISSIONS_ONLY = {"PassDataSource", "PassDataSet", "QueryAnalysis", "QueryDashboard"}


class FakeAccount:
    """An account with this QuickSight, the stack's outputs, and an Athena whose results are empty."""

    id = OWNER
    profile = None

    def __init__(self, quicksight: FakeQuickSight, outputs: dict[str, str] | None = None) -> None:
        self._quicksight = quicksight
        self.region = quicksight.region
        self.outputs = OUTPUTS if outputs is None else outputs
        self.queries: list[str] = []

    def client(self, service: str, **options: str) -> Any:
        if service == "quicksight":
            return self._quicksight.client(options.get("region_name", self.region))
        return self

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        return {"Stacks": [{"StackName": StackName, "StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}

    def start_query_execution(self, QueryString: str, **_: Any) -> dict[str, str]:  # noqa: N803 - the same
        self.queries.append(QueryString)
        return {"QueryExecutionId": "1"}

    def get_query_execution(self, **_: str) -> dict[str, Any]:
        return {"QueryExecution": {"Status": {"State": "SUCCEEDED"}, "Statistics": {}}}

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=lambda **_: [{"ResultSet": {"Rows": []}}])

    def get_table(self, **_: str) -> None:
        raise ClientError({"Error": {"Code": "EntityNotFoundException", "Message": ""}}, "GetTable")


@pytest.fixture
def quicksight() -> FakeQuickSight:
    return FakeQuickSight()


def up(
    quicksight: FakeQuickSight, *principals: str, account: FakeAccount | None = None, stack: str = STACK, **options: Any
) -> list[str]:
    """The lines that are printed."""
    lines: list[str] = []
    fake: Any = account or FakeAccount(quicksight)
    setup.up(fake, Options(stack, list(principals or ["ann"]), **options), lines.append, poll_seconds=0)
    return lines


def down(quicksight: FakeQuickSight) -> list[str]:
    lines: list[str] = []
    fake: Any = FakeAccount(quicksight)
    setup.down(fake, STACK, lines.append)
    return lines


def refused(quicksight: FakeQuickSight, *principals: str, **options: Any) -> str:
    with pytest.raises(UserError) as refusal:
        up(quicksight, *principals, **options)
    return str(refusal.value)


def sent(quicksight: FakeQuickSight, asset_type: str) -> dict[str, Any]:
    """The last request for the asset."""
    request: dict[str, Any] = quicksight.assets[asset_type, STACK]["request"]
    return request


def test_an_asset_of_each_type_is_created_and_the_dashboard_s_address_printed(quicksight: FakeQuickSight) -> None:
    lines = up(quicksight)
    assert list(quicksight.assets) == [(asset_type, STACK) for asset_type in ASSET_TYPES]
    assert [line for line in lines if ": created" in line] == [
        "data source Athena-CustomLabels-analysis: created",
        f"data set Labelwatch predictions ({STACK}): created",
        f"analysis Labelwatch ({STACK}): created",
        f"dashboard Labelwatch ({STACK}): created",
    ]
    assert lines[-1].endswith(f" https://eu-central-1.quicksight.aws.amazon.com/sn/dashboards/{STACK}")


def test_where_aws_lists_no_address_the_dashboard_is_named(quicksight: FakeQuickSight) -> None:
    quicksight.region = quicksight.signed_up_in = "us-gov-west-1"
    lines = up(quicksight)
    assert STACK in lines[-1]
    assert "https://" not in lines[-1]
    assert "https://console.amazonaws-us-gov.com/s3/object/" in sql(quicksight)


def sql(quicksight: FakeQuickSight) -> str:
    query: str = sent(quicksight, "DataSet")["PhysicalTableMap"]["predictions"]["CustomSql"]["SqlQuery"]
    return query


def test_athena_is_queried_with_the_stack_s_own_role_and_workgroup(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    assert sent(quicksight, "DataSource")["DataSourceParameters"] == {
        "AthenaParameters": {"WorkGroup": STACK, "RoleArn": OUTPUTS["QuickSightRoleArn"]}
    }


def test_the_rows_are_from_the_stack_s_database(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    assert "FROM labelwatch_prod.rekognition_customlabels_analytics" in sql(quicksight)
    assert "'https://eu-central-1.console.aws.amazon.com/s3/object/'" in sql(quicksight)
    assert sent(quicksight, "DataSet")["ImportMode"] == "DIRECT_QUERY"


def test_analysis_and_dashboard_draw_the_stack_s_data_set_on_the_stack_s_source(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    source, data_set = (quicksight.arn(asset_type, STACK) for asset_type in ("DataSource", "DataSet"))
    assert sent(quicksight, "DataSet")["PhysicalTableMap"]["predictions"]["CustomSql"]["DataSourceArn"] == source
    for asset_type in ("Analysis", "Dashboard"):
        declared = sent(quicksight, asset_type)["Definition"]["DataSetIdentifierDeclarations"]
        assert declared == [{"Identifier": "predictions", "DataSetArn": data_set}]


def test_the_table_exists_before_quicksight_reads_its_columns(quicksight: FakeQuickSight) -> None:
    account = FakeAccount(quicksight)
    up(quicksight, account=account)
    (ddl,) = account.queries
    assert "CREATE EXTERNAL TABLE IF NOT EXISTS rekognition_customlabels_analytics" in ddl


@pytest.mark.parametrize("spice", [False, True])
def test_a_second_up_creates_no_second_asset_and_sends_nothing(quicksight: FakeQuickSight, *, spice: bool) -> None:
    up(quicksight, "ann", "ron", spice=spice)
    assets = set(quicksight.assets)
    quicksight.changes.clear()
    lines = up(quicksight, "ann", "ron", spice=spice)
    assert (quicksight.changes, set(quicksight.assets)) == ([], assets)
    assert [line for line in lines if ": unchanged" in line] == lines[:-1]


def test_two_stacks_have_assets_of_their_own(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    up(quicksight, stack="labelwatch-test")
    assert set(quicksight.assets) == {
        (asset_type, stack) for asset_type in ASSET_TYPES for stack in (STACK, "labelwatch-test")
    }


def test_only_what_changed_is_sent(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    quicksight.changes.clear()
    moved = FakeAccount(quicksight, OUTPUTS | {"WorkgroupName": "another"})
    lines = up(quicksight, account=moved)
    assert quicksight.changes == ["UpdateDataSource", "TagResource"]
    assert lines[0] == "data source Athena-CustomLabels-analysis: updated"


def assets_of(quicksight: FakeQuickSight) -> Assets:
    location = Location("aws", quicksight.region, OWNER, STACK)
    return Assets(quicksight.client(quicksight.region), location, poll_seconds=0)


def another_dashboard(quicksight: FakeQuickSight) -> dict[str, Any]:
    return {"Name": "Another", "Definition": sent(quicksight, "Dashboard")["Definition"]}


def test_an_updated_dashboard_is_published_once_it_is_ready(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    assert quicksight.assets["Dashboard", STACK]["published"] == 1
    assets_of(quicksight).put(DASHBOARD, another_dashboard(quicksight))
    assert quicksight.assets["Dashboard", STACK]["published"] == 2


def test_a_dashboard_whose_update_fails_stays_published_as_it_was(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    quicksight.failures["Dashboard"] = "the column leaf does not exist"
    with pytest.raises(UserError, match="dashboard: the column leaf does not exist"):
        assets_of(quicksight).put(DASHBOARD, another_dashboard(quicksight))
    assert quicksight.assets["Dashboard", STACK]["published"] == 1


@pytest.mark.parametrize(("asset_type", "name"), list(zip(ASSET_TYPES, NAMES, strict=True)), ids=ASSET_TYPES)
def test_a_failure_is_reported_in_quicksight_s_words_and_the_next_up_repeats_it(
    quicksight: FakeQuickSight, asset_type: str, name: str
) -> None:
    quicksight.failures[asset_type] = "the role may not read it"
    assert refused(quicksight, spice=True).endswith(f" {name}: the role may not read it")
    quicksight.failures.clear()
    quicksight.changes.clear()
    lines = up(quicksight, spice=True)
    assert [name for name in quicksight.changes if name.startswith("Update") and "P" not in name] == [
        f"Update{asset_type}"
    ]
    assert [line.partition(" ")[0] for line in lines if ": updated" in line] == [name.partition(" ")[0]]


def test_a_failure_without_a_message_is_reported_by_its_status(quicksight: FakeQuickSight) -> None:
    quicksight.failures["Analysis"] = ""
    assert "analysis: status CREATION_FAILED" in refused(quicksight)


def test_in_spice_the_rows_are_waited_for_and_refreshed_daily(quicksight: FakeQuickSight) -> None:
    lines = up(quicksight, spice=True)
    assert sent(quicksight, "DataSet")["ImportMode"] == "SPICE"
    assert ("eu-central-1", "DescribeIngestion") in quicksight.calls
    assert quicksight.schedules[STACK]["ScheduleFrequency"]["Interval"] == "DAILY"
    assert "daily refresh: created" in lines


def test_a_schedule_that_somebody_changed_is_updated(quicksight: FakeQuickSight) -> None:
    up(quicksight, spice=True)
    before = quicksight.schedules[STACK]
    quicksight.schedules[STACK] = before | {"RefreshType": "INCREMENTAL_REFRESH"}
    assert "daily refresh: updated" in up(quicksight, spice=True)
    assert quicksight.schedules[STACK] == before


def test_without_an_option_the_rows_stay_in_spice(quicksight: FakeQuickSight) -> None:
    up(quicksight, spice=True)
    quicksight.changes.clear()
    up(quicksight, "ann", "ron")
    assert sent(quicksight, "DataSet")["ImportMode"] == "SPICE"
    assert quicksight.changes == ["UpdateDashboardPermissions"]


def test_an_analysis_that_somebody_deleted_is_restored(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    quicksight.client(quicksight.region).delete_analysis(AwsAccountId=OWNER, AnalysisId=STACK)
    quicksight.changes.clear()
    assert "analysis Labelwatch (labelwatch-prod): updated" in up(quicksight)
    assert quicksight.changes == ["RestoreAnalysis", "UpdateAnalysis", "TagResource"]


def test_an_empty_principal_is_refused(quicksight: FakeQuickSight) -> None:
    assert refused(quicksight, "ann", "").startswith("--principal ''")


def test_the_schedule_is_deleted_before_its_data_set_leaves_spice(quicksight: FakeQuickSight) -> None:
    up(quicksight, spice=True)
    quicksight.changes.clear()
    lines = up(quicksight, spice=False)
    assert quicksight.changes == ["DeleteRefreshSchedule", "UpdateDataSet", "TagResource"]
    assert lines[0] == "daily refresh: deleted"


def test_an_author_owns_all_of_it(quicksight: FakeQuickSight) -> None:
    up(quicksight, "ann")
    for asset_type, names in OWNERS.items():
        assert quicksight.granted(asset_type, STACK) == {ANN: {f"quicksight:{name}" for name in names}}


@pytest.mark.parametrize(("principal", "arn"), [("ron", RON), (GROWERS, GROWERS)], ids=["reader", "group"])
def test_readers_and_groups_can_view_the_dashboard_and_nothing_else(
    quicksight: FakeQuickSight, principal: str, arn: str
) -> None:
    lines = up(quicksight, principal)
    assert quicksight.granted("Dashboard", STACK) == {arn: {f"quicksight:{name}" for name in DASHBOARD_VIEWER}}
    assert [quicksight.granted(asset_type, STACK) for asset_type in ASSET_TYPES[:3]] == [{}, {}, {}]
    assert [line for line in lines if "shared" in line] == [f"  shared with {arn} (view)"]


def test_every_action_that_is_granted_exists_in_quicksight(quicksight: FakeQuickSight) -> None:
    known = {*quicksight.client("eu-central-1").meta.service_model.operation_names, *PERMISSIONS_ONLY}
    asset_types = (DATA_SOURCE, DATA_SET, ANALYSIS, DASHBOARD)
    granted = {
        name.removeprefix("quicksight:") for asset_type in asset_types for name in asset_type.owner | asset_type.viewer
    }
    assert granted <= known


def test_a_principal_keeps_its_permissions_and_is_granted_only_missing_ones(quicksight: FakeQuickSight) -> None:
    up(quicksight, "ron")
    quicksight.changes.clear()
    up(quicksight, "ann", "ron")
    assert set(quicksight.granted("Dashboard", STACK)) == {ANN, RON}
    assert quicksight.changes == [f"Update{asset_type}Permissions" for asset_type in ASSET_TYPES]


def test_a_principal_that_is_named_by_name_and_arn_is_granted_once(quicksight: FakeQuickSight) -> None:
    lines = up(quicksight, "ann", ANN)
    assert len([line for line in lines if "shared" in line]) == len(ASSET_TYPES)


def test_users_are_described_in_the_region_where_the_account_signed_up(quicksight: FakeQuickSight) -> None:
    quicksight.signed_up_in = "us-east-1"
    up(quicksight)
    assert [(region, name) for region, name in quicksight.calls if "User" in name or "Account" in name] == [
        ("eu-central-1", "DescribeAccountSubscription"),
        ("us-east-1", "DescribeAccountSubscription"),
        ("us-east-1", "DescribeUser"),
    ]
    assert {region for region, operation in quicksight.calls if operation.startswith("Create")} == {"eu-central-1"}


def test_the_identity_region_can_be_an_option(quicksight: FakeQuickSight) -> None:
    quicksight.signed_up_in = "us-east-1"
    up(quicksight, identity_region="us-east-1")
    assert quicksight.calls[0] == ("us-east-1", "DescribeAccountSubscription")


@pytest.mark.parametrize(
    ("principal", "parts"),
    [
        ("ben", ["user named ben", "`aws quicksight list-users"]),
        (GROWERS.replace("growers", "none"), ["group named none", "`aws quicksight list-groups"]),
        (ANN.replace(OWNER, "999999999999"), ["999999999999", OWNER]),
        (f"arn:aws:iam::{OWNER}:user/ann", [f"--principal 'arn:aws:iam::{OWNER}:user/ann'", "user/default/NAME"]),
    ],
    ids=["user", "group", "account", "IAM"],
)
def test_an_unknown_principal_is_refused_before_anything_is_created(
    quicksight: FakeQuickSight, principal: str, parts: list[str]
) -> None:
    message = refused(quicksight, "ann", principal)
    assert [part for part in parts if part not in message] == []
    assert quicksight.changes == []


def test_a_user_s_name_may_have_a_role_before_it(quicksight: FakeQuickSight) -> None:
    quicksight.users["Admins/ann@example.com"] = "ADMIN"
    up(quicksight, ANN.replace("ann", "Admins/ann@example.com"))
    assert list(quicksight.granted("Dashboard", STACK)) == [ANN.replace("ann", "Admins/ann@example.com")]


@pytest.mark.parametrize(
    "subscription", [None, {"AccountSubscriptionStatus": "UNSUBSCRIBED"}], ids=["never", "no more"]
)
def test_an_account_without_quicksight_is_refused_with_the_advice_to_sign_up(
    quicksight: FakeQuickSight, subscription: dict[str, str] | None
) -> None:
    quicksight.subscription = subscription
    assert refused(quicksight) == NOT_SIGNED_UP
    assert quicksight.changes == []


def test_the_standard_edition_is_refused(quicksight: FakeQuickSight) -> None:
    quicksight.subscription = {"Edition": "STANDARD"}
    assert refused(quicksight) == STANDARD_EDITION
    assert quicksight.changes == []


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (f"Account {OWNER} is not subscribed for QuickSight", NOT_SIGNED_UP),
        ("This operation is not supported in this edition", STANDARD_EDITION),
    ],
)
def test_a_missing_edition_that_only_an_operation_reports_is_refused_too(
    quicksight: FakeQuickSight, message: str, sentence: str
) -> None:
    quicksight.errors["CreateAnalysis"] = "UnsupportedUserEditionException", message
    assert refused(quicksight) == sentence


def test_a_missing_permission_is_reported_in_aws_s_words(quicksight: FakeQuickSight) -> None:
    quicksight.errors["DescribeUser"] = (
        "AccessDeniedException",
        "x is not authorized to perform: quicksight:DescribeUser",
    )
    assert refused(quicksight).endswith("user ann: x is not authorized to perform: quicksight:DescribeUser")


def test_an_error_without_a_message_is_reported_by_its_code_and_status(quicksight: FakeQuickSight) -> None:
    quicksight.errors["DescribeAccountSubscription"] = "404", ""
    assert "code 404, HTTP status 400" in refused(quicksight)


def test_a_stack_without_the_role_is_refused_with_the_advice_to_deploy(quicksight: FakeQuickSight) -> None:
    old = FakeAccount(quicksight, {"OutputBucket": "predictions"})
    message = refused(quicksight, account=old)
    assert "QuickSightRoleArn" in message
    assert "deployed" in message


def test_a_definition_that_does_not_fit_together_is_refused_before_any_call(
    quicksight: FakeQuickSight, tmp_path: Path
) -> None:
    broken = tmp_path / "quicksight.json"
    broken.write_text(DEFINITION.read_text().replace('"ColumnName": "label"', '"ColumnName": "leaf"'))
    assert "column leaf" in refused(quicksight, definition=broken)
    assert quicksight.calls == []


def test_each_asset_is_tagged_with_its_stack_and_the_digest_of_its_body(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    for asset in quicksight.assets.values():
        assert asset["Tags"].items() >= {"application": "labelwatch", "stack": STACK}.items()
        assert len(asset["Tags"][SENT_TAG]) == 64


def test_down_deletes_all_that_up_created(quicksight: FakeQuickSight) -> None:
    up(quicksight, spice=True)
    up(quicksight, stack="labelwatch-test")
    lines = down(quicksight)
    assert set(quicksight.assets) == {(asset_type, "labelwatch-test") for asset_type in ASSET_TYPES}
    assert quicksight.schedules == {}
    assert lines == [f"{name} {STACK}: deleted" for name in ("dashboard", "analysis", "data set", "data source")] + [
        "daily refresh: deleted"
    ]


def test_down_says_which_assets_did_not_exist(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    del quicksight.assets["Analysis", STACK]
    assert [line for line in down(quicksight) if ": deleted" not in line] == [
        f"analysis {STACK}: not found",
        "daily refresh: not found",
    ]


def test_the_local_aws_has_no_quicksight(quicksight: FakeQuickSight, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    for command in (up, down):
        with pytest.raises(UserError, match="local AWS"):
            command(quicksight)


def test_up_after_down_creates_all_assets_anew(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    down(quicksight)
    assert len([line for line in up(quicksight) if ": created" in line]) == len(ASSET_TYPES)


def test_the_documented_permissions_are_the_ones_that_are_used(quicksight: FakeQuickSight) -> None:
    up(quicksight, "ann", GROWERS, spice=True)
    quicksight.schedules[STACK] |= {"RefreshType": "INCREMENTAL_REFRESH"}
    for asset in quicksight.assets.values():
        del asset["Tags"][SENT_TAG]
    up(quicksight, spice=True)
    quicksight.client(quicksight.region).delete_analysis(AwsAccountId=OWNER, AnalysisId=STACK)
    up(quicksight, spice=False)
    down(quicksight)
    documented = set(re.findall(r'"quicksight:(\w+)"', (PROJECT / "docs" / "how-to" / "quicksight.md").read_text()))
    # The permissions beside them, which QuickSight needs where an asset uses another.
    assert documented == {operation for _, operation in quicksight.calls} | {"PassDataSource", "PassDataSet"}


def test_a_long_line_is_whole_on_standard_output_beside_the_spinner(capsys: pytest.CaptureFixture[str]) -> None:
    with commands._printing("Updating QuickSight…") as print_line:
        print_line(f"shared with {ANN * 3}")
    assert capsys.readouterr().out == f"shared with {ANN * 3}\n"


def test_up_needs_a_principal() -> None:
    done = CliRunner().invoke(app, ["quicksight", "up", "--stack", STACK])
    assert done.exit_code == 2
    assert "--principal" in done.output


def test_the_script_beside_the_definition_is_the_same_command() -> None:
    script = [sys.executable, str(PROJECT / "athena" / "quicksight_setup.py"), "up", "--help"]
    done = subprocess.run(script, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(PROJECT)})
    assert "--identity-region" in done.stdout
