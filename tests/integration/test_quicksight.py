"""QuickSight as the command uses it, on one that keeps what it is given and knows botocore's model of each call."""

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
from labelwatch.quicksight import document, setup
from labelwatch.quicksight.kinds import ANALYSIS, DASHBOARD, DATA_SET, DATA_SOURCE, Home
from labelwatch.quicksight.objects import SENT, Objects
from labelwatch.quicksight.setup import Wish
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT
from tests.support.fake_quicksight import OWNER, FakeQuickSight

STACK = "labelwatch-prod"
ANN = f"arn:aws:quicksight:eu-central-1:{OWNER}:user/default/ann"
RON = f"arn:aws:quicksight:eu-central-1:{OWNER}:user/default/ron"
GROWERS = f"arn:aws:quicksight:eu-central-1:{OWNER}:group/default/growers"
FOUR = ["DataSource", "DataSet", "Analysis", "Dashboard"]
NAMES = ["data source", "data set", "analysis", "dashboard"]
OUTPUTS = {
    "OutputBucket": "predictions",
    "DatabaseName": "labelwatch_prod",
    "WorkgroupName": STACK,
    "QuickSightRoleArn": f"arn:aws:iam::{OWNER}:role/quicksight",
}
# What each kind's owner and viewer are granted. Viewers and owners of dashboards, data sets and data sources:
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
    """An account with this QuickSight, the stack's outputs, and an Athena that answers with nothing."""

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
    quicksight: FakeQuickSight, *principals: str, account: FakeAccount | None = None, stack: str = STACK, **wish: Any
) -> list[str]:
    """What was told."""
    said: list[str] = []
    there: Any = account or FakeAccount(quicksight)
    setup.up(there, Wish(stack, list(principals or ["ann"]), **wish), said.append, poll_seconds=0)
    return said


def down(quicksight: FakeQuickSight) -> list[str]:
    said: list[str] = []
    there: Any = FakeAccount(quicksight)
    setup.down(there, STACK, said.append)
    return said


def refused(quicksight: FakeQuickSight, *principals: str, **wish: Any) -> str:
    with pytest.raises(UserError) as mistake:
        up(quicksight, *principals, **wish)
    return str(mistake.value)


def sent(quicksight: FakeQuickSight, kind: str) -> dict[str, Any]:
    asked: dict[str, Any] = quicksight.objects[kind, STACK]["asked"]
    return asked


def test_one_of_each_kind_is_made_and_told_with_the_dashboard_s_address(quicksight: FakeQuickSight) -> None:
    said = up(quicksight)
    assert list(quicksight.objects) == [(kind, STACK) for kind in FOUR]
    assert [one for one in said if ": made" in one] == [
        "data source Athena-CustomLabels-analysis: made",
        f"data set Labelwatch predictions ({STACK}): made",
        f"analysis Labelwatch ({STACK}): made",
        f"dashboard Labelwatch ({STACK}): made",
    ]
    assert said[-1] == f"The dashboard: https://eu-central-1.quicksight.aws.amazon.com/sn/dashboards/{STACK}"


def test_where_aws_lists_no_address_the_dashboard_is_named(quicksight: FakeQuickSight) -> None:
    quicksight.region = quicksight.signed_up_in = "us-gov-west-1"
    said = up(quicksight)
    assert said[-1] == f"The dashboard is {STACK}, under Dashboards in QuickSight's console."
    assert "https://console.amazonaws-us-gov.com/s3/object/" in sql(quicksight)


def sql(quicksight: FakeQuickSight) -> str:
    query: str = sent(quicksight, "DataSet")["PhysicalTableMap"]["predictions"]["CustomSql"]["SqlQuery"]
    return query


def test_athena_is_asked_in_the_stack_s_own_role_and_workgroup(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    assert sent(quicksight, "DataSource")["DataSourceParameters"] == {
        "AthenaParameters": {"WorkGroup": STACK, "RoleArn": OUTPUTS["QuickSightRoleArn"]}
    }


def test_the_rows_are_those_of_the_stack_s_database(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    assert "FROM labelwatch_prod.rekognition_customlabels_analytics" in sql(quicksight)
    assert "'https://eu-central-1.console.aws.amazon.com/s3/object/'" in sql(quicksight)
    assert sent(quicksight, "DataSet")["ImportMode"] == "DIRECT_QUERY"


def test_analysis_and_dashboard_draw_the_stack_s_data_set_on_the_stack_s_source(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    source, data_set = (quicksight.arn(kind, STACK) for kind in ("DataSource", "DataSet"))
    assert sent(quicksight, "DataSet")["PhysicalTableMap"]["predictions"]["CustomSql"]["DataSourceArn"] == source
    for kind in ("Analysis", "Dashboard"):
        declared = sent(quicksight, kind)["Definition"]["DataSetIdentifierDeclarations"]
        assert declared == [{"Identifier": "predictions", "DataSetArn": data_set}]


def test_the_table_is_there_before_quicksight_asks_for_its_columns(quicksight: FakeQuickSight) -> None:
    account = FakeAccount(quicksight)
    up(quicksight, account=account)
    (ddl,) = account.queries
    assert "CREATE EXTERNAL TABLE IF NOT EXISTS rekognition_customlabels_analytics" in ddl


@pytest.mark.parametrize("spice", [False, True])
def test_twice_up_makes_no_second_object_and_sends_nothing(quicksight: FakeQuickSight, *, spice: bool) -> None:
    up(quicksight, "ann", "ron", spice=spice)
    there = set(quicksight.objects)
    quicksight.sent.clear()
    said = up(quicksight, "ann", "ron", spice=spice)
    assert (quicksight.sent, set(quicksight.objects)) == ([], there)
    assert [one for one in said if ": unchanged" in one] == said[:-1]


def test_two_stacks_have_their_own(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    up(quicksight, stack="labelwatch-test")
    assert set(quicksight.objects) == {(kind, stack) for kind in FOUR for stack in (STACK, "labelwatch-test")}


def test_only_what_changed_is_sent(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    quicksight.sent.clear()
    moved = FakeAccount(quicksight, OUTPUTS | {"WorkgroupName": "another"})
    said = up(quicksight, account=moved)
    assert quicksight.sent == ["UpdateDataSource", "TagResource"]
    assert said[0] == "data source Athena-CustomLabels-analysis: changed"


def objects(quicksight: FakeQuickSight) -> Objects:
    return Objects(quicksight.client(quicksight.region), Home("aws", quicksight.region, OWNER, STACK), poll_seconds=0)


def another(quicksight: FakeQuickSight) -> dict[str, Any]:
    return {"Name": "Another", "Definition": sent(quicksight, "Dashboard")["Definition"]}


def test_a_changed_dashboard_is_published_once_it_is_ready(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    assert quicksight.objects["Dashboard", STACK]["published"] == 1
    objects(quicksight).put(DASHBOARD, another(quicksight))
    assert quicksight.objects["Dashboard", STACK]["published"] == 2


def test_a_dashboard_that_could_not_be_changed_stays_published_as_it_was(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    quicksight.fails["Dashboard"] = "the column leaf does not exist"
    with pytest.raises(UserError, match="does not take the dashboard: the column leaf does not exist"):
        objects(quicksight).put(DASHBOARD, another(quicksight))
    assert quicksight.objects["Dashboard", STACK]["published"] == 1


@pytest.mark.parametrize(("kind", "name"), list(zip(FOUR, NAMES, strict=True)), ids=FOUR)
def test_what_fails_is_told_in_quicksight_s_words_and_is_sent_again_next_time(
    quicksight: FakeQuickSight, kind: str, name: str
) -> None:
    quicksight.fails[kind] = "the role may not read it"
    assert refused(quicksight, spice=True) == f"QuickSight does not take the {name}: the role may not read it"
    quicksight.fails.clear()
    quicksight.sent.clear()
    said = up(quicksight, spice=True)
    assert [one for one in quicksight.sent if one.startswith("Update") and "P" not in one] == [f"Update{kind}"]
    assert [one.partition(" ")[0] for one in said if ": changed" in one] == [name.partition(" ")[0]]


def test_a_failure_without_words_is_told_by_its_status(quicksight: FakeQuickSight) -> None:
    quicksight.fails["Analysis"] = ""
    assert refused(quicksight) == (
        "QuickSight does not take the analysis: it is CREATION_FAILED, and QuickSight does not say why"
    )


def test_in_spice_the_rows_are_waited_for_and_refreshed_daily(quicksight: FakeQuickSight) -> None:
    said = up(quicksight, spice=True)
    assert sent(quicksight, "DataSet")["ImportMode"] == "SPICE"
    assert ("eu-central-1", "DescribeIngestion") in quicksight.asked
    assert quicksight.schedules[STACK]["ScheduleFrequency"]["Interval"] == "DAILY"
    assert "daily refresh: made" in said


def test_a_schedule_that_was_changed_is_put_back(quicksight: FakeQuickSight) -> None:
    up(quicksight, spice=True)
    before = quicksight.schedules[STACK]
    quicksight.schedules[STACK] = before | {"RefreshType": "INCREMENTAL_REFRESH"}
    assert "daily refresh: changed" in up(quicksight, spice=True)
    assert quicksight.schedules[STACK] == before


def test_whoever_does_not_say_otherwise_leaves_the_rows_where_they_are(quicksight: FakeQuickSight) -> None:
    up(quicksight, spice=True)
    quicksight.sent.clear()
    up(quicksight, "ann", "ron")
    assert sent(quicksight, "DataSet")["ImportMode"] == "SPICE"
    assert quicksight.sent == ["UpdateDashboardPermissions"]


def test_an_analysis_that_somebody_deleted_is_there_again(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    quicksight.client(quicksight.region).delete_analysis(AwsAccountId=OWNER, AnalysisId=STACK)
    quicksight.sent.clear()
    assert "analysis Labelwatch (labelwatch-prod): changed" in up(quicksight)
    assert quicksight.sent == ["RestoreAnalysis", "UpdateAnalysis", "TagResource"]


def test_an_empty_principal_is_told(quicksight: FakeQuickSight) -> None:
    assert refused(quicksight, "ann", "") == (
        "--principal is empty; it must be the name of a user of QuickSight, or an ARN."
    )


def test_the_schedule_goes_before_its_data_set_leaves_spice(quicksight: FakeQuickSight) -> None:
    up(quicksight, spice=True)
    quicksight.sent.clear()
    said = up(quicksight, spice=False)
    assert quicksight.sent == ["DeleteRefreshSchedule", "UpdateDataSet", "TagResource"]
    assert said[0] == "daily refresh: deleted"


def test_an_author_owns_all_of_it(quicksight: FakeQuickSight) -> None:
    up(quicksight, "ann")
    for kind, names in OWNERS.items():
        assert quicksight.granted(kind, STACK) == {ANN: {f"quicksight:{name}" for name in names}}


@pytest.mark.parametrize(("who", "arn"), [("ron", RON), (GROWERS, GROWERS)], ids=["reader", "group"])
def test_readers_and_groups_look_at_the_dashboard_and_at_nothing_else(
    quicksight: FakeQuickSight, who: str, arn: str
) -> None:
    said = up(quicksight, who)
    assert quicksight.granted("Dashboard", STACK) == {arn: {f"quicksight:{name}" for name in DASHBOARD_VIEWER}}
    assert [quicksight.granted(kind, STACK) for kind in FOUR[:3]] == [{}, {}, {}]
    assert [one for one in said if "shared" in one] == [f"  shared with {arn}, who can look at it"]


def test_every_action_that_is_granted_is_one_of_quicksight(quicksight: FakeQuickSight) -> None:
    known = {*quicksight.client("eu-central-1").meta.service_model.operation_names, *PERMISSIONS_ONLY}
    kinds = (DATA_SOURCE, DATA_SET, ANALYSIS, DASHBOARD)
    granted = {name.removeprefix("quicksight:") for kind in kinds for name in kind.owner | kind.viewer}
    assert granted <= known


def test_who_has_something_already_keeps_it_and_is_granted_nothing(quicksight: FakeQuickSight) -> None:
    up(quicksight, "ron")
    quicksight.sent.clear()
    up(quicksight, "ann", "ron")
    assert set(quicksight.granted("Dashboard", STACK)) == {ANN, RON}
    assert quicksight.sent == [f"Update{kind}Permissions" for kind in FOUR]


def test_whoever_is_named_twice_is_granted_once(quicksight: FakeQuickSight) -> None:
    said = up(quicksight, "ann", ANN)
    assert len([one for one in said if "shared" in one]) == len(FOUR)


def test_who_there_is_is_asked_where_the_account_signed_up(quicksight: FakeQuickSight) -> None:
    quicksight.signed_up_in = "us-east-1"
    up(quicksight)
    assert [one for one in quicksight.asked if "User" in one[1] or "Account" in one[1]] == [
        ("eu-central-1", "DescribeAccountSubscription"),
        ("us-east-1", "DescribeAccountSubscription"),
        ("us-east-1", "DescribeUser"),
    ]
    assert {region for region, operation in quicksight.asked if operation.startswith("Create")} == {"eu-central-1"}


def test_the_identity_region_can_be_said(quicksight: FakeQuickSight) -> None:
    quicksight.signed_up_in = "us-east-1"
    up(quicksight, identity_region="us-east-1")
    assert quicksight.asked[0] == ("us-east-1", "DescribeAccountSubscription")


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("ben", "there is no user ben in QuickSight's namespace default; `aws quicksight list-users"),
        (
            GROWERS.replace("growers", "none"),
            "there is no group none in QuickSight's namespace default; `aws quicksight",
        ),
        (ANN.replace(OWNER, "999999999999"), "is of the account 999999999999, and this is 123456789012."),
        (f"arn:aws:iam::{OWNER}:user/ann", "is no user or group of QuickSight; their ARNs end in quicksight:REGION"),
    ],
    ids=["user", "group", "account", "IAM"],
)
def test_nobody_is_told_by_name_before_anything_is_made(quicksight: FakeQuickSight, who: str, said: str) -> None:
    assert said in refused(quicksight, "ann", who)
    assert quicksight.sent == []


def test_a_user_s_name_may_have_a_role_before_it(quicksight: FakeQuickSight) -> None:
    quicksight.users["Admins/ann@example.com"] = "ADMIN"
    up(quicksight, ANN.replace("ann", "Admins/ann@example.com"))
    assert list(quicksight.granted("Dashboard", STACK)) == [ANN.replace("ann", "Admins/ann@example.com")]


@pytest.mark.parametrize(
    "subscription", [None, {"AccountSubscriptionStatus": "UNSUBSCRIBED"}], ids=["never", "no more"]
)
def test_an_account_without_quicksight_is_told_to_sign_up(
    quicksight: FakeQuickSight, subscription: dict[str, str] | None
) -> None:
    quicksight.subscription = subscription
    assert refused(quicksight).startswith("this account is not signed up for QuickSight; sign up once")
    assert quicksight.sent == []


def test_the_standard_edition_is_told_to_be_too_little(quicksight: FakeQuickSight) -> None:
    quicksight.subscription = {"Edition": "STANDARD"}
    assert "has QuickSight's Standard edition" in refused(quicksight)
    assert quicksight.sent == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"Account {OWNER} is not subscribed for QuickSight", "this account is not signed up for QuickSight"),
        ("This operation is not supported in this edition", "this account has QuickSight's Standard edition"),
    ],
)
def test_so_it_is_where_only_an_operation_says_so(quicksight: FakeQuickSight, words: str, said: str) -> None:
    quicksight.refuses["CreateAnalysis"] = "UnsupportedUserEditionException", words
    assert refused(quicksight).startswith(said)


def test_what_is_forbidden_is_told_in_aws_s_words(quicksight: FakeQuickSight) -> None:
    quicksight.refuses["DescribeUser"] = (
        "AccessDeniedException",
        "x is not authorized to perform: quicksight:DescribeUser",
    )
    assert refused(quicksight) == (
        "QuickSight refuses to look for the user ann: x is not authorized to perform: quicksight:DescribeUser"
    )


def test_a_refusal_without_words_is_told_by_its_code_and_its_status(quicksight: FakeQuickSight) -> None:
    quicksight.refuses["DescribeAccountSubscription"] = "404", ""
    assert refused(quicksight) == (
        "QuickSight refuses to tell of the account's subscription: no words, code 404, HTTP status 400"
    )


def test_a_stack_without_the_role_is_to_be_deployed_first(quicksight: FakeQuickSight) -> None:
    old = FakeAccount(quicksight, {"OutputBucket": "predictions"})
    said = refused(quicksight, account=old)
    assert "has no QuickSightRoleArn" in said
    assert "of another version (then deploy this one first)" in said


def test_a_definition_that_does_not_fit_together_is_refused_before_anything_is_asked(
    quicksight: FakeQuickSight, tmp_path: Path
) -> None:
    broken = tmp_path / "quicksight.json"
    broken.write_text(document.FILE.read_text().replace('"ColumnName": "label"', '"ColumnName": "leaf"'))
    assert refused(quicksight, definition=broken).startswith(
        "quicksight.json does not fit together: the data set has no"
    )
    assert quicksight.asked == []


def test_what_is_made_says_whose_it_is_and_what_was_sent(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    for one in quicksight.objects.values():
        assert one["Tags"].items() >= {"application": "labelwatch", "stack": STACK}.items()
        assert len(one["Tags"][SENT]) == 64


def test_down_takes_away_all_that_up_made(quicksight: FakeQuickSight) -> None:
    up(quicksight, spice=True)
    up(quicksight, stack="labelwatch-test")
    said = down(quicksight)
    assert set(quicksight.objects) == {(kind, "labelwatch-test") for kind in FOUR}
    assert quicksight.schedules == {}
    assert said == [f"{name} {STACK}: deleted" for name in ("dashboard", "analysis", "data set", "data source")] + [
        "daily refresh: deleted"
    ]


def test_down_says_what_was_not_there(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    del quicksight.objects["Analysis", STACK]
    assert [one for one in down(quicksight) if "not there" in one] == [
        f"analysis {STACK}: was not there",
        "daily refresh: was not there",
    ]


def test_up_after_down_makes_it_anew(quicksight: FakeQuickSight) -> None:
    up(quicksight)
    down(quicksight)
    assert len([one for one in up(quicksight) if ": made" in one]) == len(FOUR)


def test_the_rights_that_are_documented_are_those_that_are_used(quicksight: FakeQuickSight) -> None:
    up(quicksight, "ann", GROWERS, spice=True)
    quicksight.schedules[STACK] |= {"RefreshType": "INCREMENTAL_REFRESH"}
    for one in quicksight.objects.values():
        del one["Tags"][SENT]
    up(quicksight, spice=True)
    quicksight.client(quicksight.region).delete_analysis(AwsAccountId=OWNER, AnalysisId=STACK)
    up(quicksight, spice=False)
    down(quicksight)
    documented = set(re.findall(r'"quicksight:(\w+)"', (PROJECT / "docs" / "quicksight.md").read_text()))
    # What QuickSight asks for beside them, where one object is made of another.
    assert documented == {operation for _, operation in quicksight.asked} | {"PassDataSource", "PassDataSet"}


def test_up_wants_somebody_to_share_with() -> None:
    done = CliRunner().invoke(app, ["quicksight", "up", "--stack", STACK])
    assert done.exit_code == 2
    assert "--principal" in done.output


def test_the_script_beside_the_definition_is_the_same_command() -> None:
    script = [sys.executable, str(PROJECT / "athena" / "quicksight_setup.py"), "up", "--help"]
    done = subprocess.run(script, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(PROJECT)})
    assert "--identity-region" in done.stdout
