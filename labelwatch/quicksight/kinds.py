"""The four kinds of objects, in the words of QuickSight's API, and what it lets principals be granted on each."""

from typing import NamedTuple


class Kind(NamedTuple):
    """`name` is for people, `call` stands in the names of operations, `field` in those of ids and answers."""

    name: str
    call: str
    field: str
    in_arn: str
    owner: frozenset[str]
    viewer: frozenset[str] = frozenset()


class Home(NamedTuple):
    """Where the objects of a stack are; the ids of all of them are the stack's name."""

    partition: str
    region: str
    account: str
    stack: str

    def arn(self, kind: Kind) -> str:
        """The ARN of the stack's object of this kind."""
        return f"arn:{self.partition}:quicksight:{self.region}:{self.account}:{kind.in_arn}/{self.stack}"


def _actions(*names: str) -> frozenset[str]:
    return frozenset(f"quicksight:{name}" for name in names)


# Whole sets or nothing: QuickSight refuses a part of one. They are what its console grants to an owner and a viewer
# (docs/quicksight.md says where AWS has them). Only a dashboard has viewers here: the rest is for whoever changes it.
DATA_SOURCE = Kind(
    "data source",
    "data_source",
    "DataSource",
    "datasource",
    owner=_actions(
        "DescribeDataSource",
        "DescribeDataSourcePermissions",
        "PassDataSource",
        "UpdateDataSource",
        "DeleteDataSource",
        "UpdateDataSourcePermissions",
    ),
)
DATA_SET = Kind(
    "data set",
    "data_set",
    "DataSet",
    "dataset",
    owner=_actions(
        "DescribeDataSet",
        "DescribeDataSetPermissions",
        "PassDataSet",
        "DescribeIngestion",
        "ListIngestions",
        "UpdateDataSet",
        "DeleteDataSet",
        "CreateIngestion",
        "CancelIngestion",
        "UpdateDataSetPermissions",
    ),
)
ANALYSIS = Kind(
    "analysis",
    "analysis",
    "Analysis",
    "analysis",
    owner=_actions(
        "DescribeAnalysis",
        "DescribeAnalysisPermissions",
        "QueryAnalysis",
        "UpdateAnalysis",
        "DeleteAnalysis",
        "RestoreAnalysis",
        "UpdateAnalysisPermissions",
    ),
)
DASHBOARD = Kind(
    "dashboard",
    "dashboard",
    "Dashboard",
    "dashboard",
    owner=_actions(
        "DescribeDashboard",
        "ListDashboardVersions",
        "QueryDashboard",
        "UpdateDashboard",
        "DeleteDashboard",
        "DescribeDashboardPermissions",
        "UpdateDashboardPermissions",
        "UpdateDashboardPublishedVersion",
    ),
    viewer=_actions("DescribeDashboard", "ListDashboardVersions", "QueryDashboard"),
)
