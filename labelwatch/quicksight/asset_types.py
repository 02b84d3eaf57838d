"""The four asset types of QuickSight, with the names of its API and the permissions of principals."""

from typing import NamedTuple


class AssetType(NamedTuple):
    """`name` is for people, `operation` is in the API's operations, `field` in its ids and responses."""

    name: str
    operation: str
    field: str
    arn_part: str
    owner: frozenset[str]
    viewer: frozenset[str] = frozenset()


class Location(NamedTuple):
    """The account and Region of a stack's assets; the id of each asset is the stack's name."""

    partition: str
    region: str
    account: str
    stack: str

    def arn(self, asset_type: AssetType) -> str:
        """The ARN of the stack's asset of this type."""
        return f"arn:{self.partition}:quicksight:{self.region}:{self.account}:{asset_type.arn_part}/{self.stack}"


def _actions(*names: str) -> frozenset[str]:
    return frozenset(f"quicksight:{name}" for name in names)


# QuickSight accepts whole sets only: the sets that its console grants to an owner and a viewer. AWS's pages on them are
# in docs/how-to/quicksight.md. Only a dashboard has viewers: the other assets are for authors.
DATA_SOURCE = AssetType(
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
DATA_SET = AssetType(
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
ANALYSIS = AssetType(
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
DASHBOARD = AssetType(
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
