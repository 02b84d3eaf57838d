"""A fake QuickSight with state, behind botocore's own client: each request and each response fits botocore's model."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
from botocore import xform_name
from botocore.validate import validate_parameters

OWNER = "123456789012"
CREATED = datetime(2026, 11, 27, tzinfo=UTC)
ARN_PARTS = {"DataSource": "datasource", "DataSet": "dataset", "Analysis": "analysis", "Dashboard": "dashboard"}


class RefusedError(Exception):
    """Raised inside the fake; the caller gets a ClientError."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)


@cache
def _session() -> boto3.Session:
    """Shared by all fakes, since it reads the model, which is large."""
    return boto3.Session()


class FakeQuickSight:
    """The QuickSight of one account: assets by type and id, users, groups.

    `failures` has the error message for each type of asset whose creation or update fails, `errors` the code and the
    message for each operation that is refused. `calls` has the Region and name of each operation, `changes` the names
    of the operations that change something.
    """

    def __init__(self, region: str = "eu-central-1", signed_up_in: str = "eu-central-1") -> None:
        self.region = region
        self.signed_up_in = signed_up_in
        self.subscription: dict[str, str] | None = {"Edition": "ENTERPRISE", "AccountSubscriptionStatus": "OK"}
        self.users = {"ann": "AUTHOR", "ron": "READER"}
        self.groups = {"growers"}
        self.assets: dict[tuple[str, str], dict[str, Any]] = {}
        self.schedules: dict[str, dict[str, Any]] = {}
        self.failures: dict[str, str] = {}
        self.errors: dict[str, tuple[str, str]] = {}
        self.calls: list[tuple[str, str]] = []
        self.changes: list[str] = []

    def client(self, region: str) -> Any:
        """A client of that Region, whose calls reach this fake after botocore's validation."""
        client = _session().client("quicksight", region_name=region)

        def keep_request(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
            context["request"] = params

        def respond(model: Any, context: dict[str, Any], **_: Any) -> tuple[SimpleNamespace, dict[str, Any]]:
            self.calls.append((region, model.name))
            try:
                parsed = self._respond(model.name, region, context["request"])
            except RefusedError as refusal:
                code, message = refusal.args
                return SimpleNamespace(status_code=400), {
                    "Error": {"Code": code, "Message": message},
                    "ResponseMetadata": {"HTTPStatusCode": 400},
                }
            validate_parameters(parsed, model.output_shape)
            return SimpleNamespace(status_code=200), parsed

        client.meta.events.register("provide-client-params.quicksight", keep_request)
        client.meta.events.register("before-call.quicksight", respond)
        return client

    def arn(self, asset_type: str, name: str) -> str:
        return f"{self.arn_prefix(self.region)}:{ARN_PARTS[asset_type]}/{name}"

    def arn_prefix(self, region: str) -> str:
        partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")
        return f"arn:{partition}:quicksight:{region}:{OWNER}"

    def granted(self, asset_type: str, name: str) -> dict[str, set[str]]:
        return {arn: set(actions) for arn, actions in self.assets[asset_type, name]["Permissions"].items()}

    def _respond(self, operation: str, region: str, request: dict[str, Any]) -> dict[str, Any]:
        if operation in self.errors:
            raise RefusedError(*self.errors[operation])
        if not operation.startswith(("Describe", "List")):
            self.changes.append(operation)
        for asset_type in ARN_PARTS:
            for verb in ("Create", "Update", "Describe", "Delete", "Restore"):
                if operation == f"{verb}{asset_type}":
                    return getattr(self, f"_{verb.lower()}")(asset_type, request)  # type: ignore[no-any-return]
                if operation == f"{verb}{asset_type}Permissions":
                    return getattr(self, f"_{verb.lower()}_permissions")(asset_type, request)  # type: ignore[no-any-return]
        if (
            operation in {"DescribeUser", "DescribeGroup", "DescribeAccountSubscription"}
            and region != self.signed_up_in
        ):
            raise RefusedError(
                "AccessDeniedException",
                f"Operation is being called from endpoint {region}, but your identity region is {self.signed_up_in}. "
                f"Please use the {self.signed_up_in} endpoint.",
            )
        return getattr(self, f"_{xform_name(operation)}")(request)  # type: ignore[no-any-return]

    def _create(self, asset_type: str, request: dict[str, Any]) -> dict[str, Any]:
        key = asset_type, request[f"{asset_type}Id"]
        if key in self.assets:
            raise RefusedError("ResourceExistsException", f"{key} exists")
        self.assets[key] = {"Permissions": {}, "Tags": {tag["Key"]: tag["Value"] for tag in request["Tags"]}}
        return self._settle(asset_type, request, "CREATION")

    def _update(self, asset_type: str, request: dict[str, Any]) -> dict[str, Any]:
        self._find(asset_type, request)
        return self._settle(asset_type, request, "UPDATE")

    def _settle(self, asset_type: str, request: dict[str, Any], change: str) -> dict[str, Any]:
        """The request's change, which is in progress when it is first described, and finished after that."""
        asset = self._find(asset_type, request)
        end = "FAILED" if asset_type in self.failures else "SUCCESSFUL"
        asset["request"] = request
        asset.setdefault("versions", []).append([f"{change}_IN_PROGRESS", f"{change}_{end}"])
        asset["errors"] = self.failures.get(asset_type)
        if change == "CREATION":
            asset["published"] = 1
        arn = self.arn(asset_type, request[f"{asset_type}Id"])
        if asset_type == "Dashboard":
            return {"Arn": arn, "VersionArn": f"{arn}/version/{len(asset['versions'])}"}
        if asset_type == "DataSet" and request["ImportMode"] == "SPICE":
            return {"Arn": arn, "IngestionId": f"ingestion-{len(asset['versions'])}"}
        return {"Arn": arn}

    def _describe(self, asset_type: str, request: dict[str, Any]) -> dict[str, Any]:
        asset = self._find(asset_type, request)
        if asset_type == "DataSet":
            return {
                "DataSet": {
                    "Arn": self.arn(asset_type, request["DataSetId"]),
                    "ImportMode": asset["request"]["ImportMode"],
                }
            }
        number = request.get(
            "VersionNumber", asset["published"] if asset_type == "Dashboard" else len(asset["versions"])
        )
        statuses = asset["versions"][number - 1]
        state: dict[str, Any] = {"Status": statuses.pop(0) if len(statuses) > 1 else statuses[0]}
        if asset["errors"] and state["Status"].endswith("_FAILED"):
            words = {"Type": "ACCESS_DENIED", "Message": asset["errors"]}
            state |= {"ErrorInfo": words} if asset_type == "DataSource" else {"Errors": [words]}
        if asset_type == "Dashboard":
            return {"Dashboard": {"Version": state | {"VersionNumber": number}}}
        return {asset_type: state}

    def _delete(self, asset_type: str, request: dict[str, Any]) -> dict[str, Any]:
        self._find(asset_type, request)
        name = request[f"{asset_type}Id"]
        if asset_type == "Analysis" and not request.get("ForceDeleteWithoutRecovery"):
            self.assets[asset_type, name]["versions"].append(["DELETED"])  # for thirty days
            return {}
        if asset_type == "DataSet":
            self.schedules.pop(name, None)
        del self.assets[asset_type, name]
        return {}

    def _restore(self, asset_type: str, request: dict[str, Any]) -> dict[str, Any]:
        self._find(asset_type, request)["versions"].pop()
        return {}

    def _describe_permissions(self, asset_type: str, request: dict[str, Any]) -> dict[str, Any]:
        granted = self._find(asset_type, request)["Permissions"]
        listed = [{"Principal": arn, "Actions": actions} for arn, actions in granted.items()]
        return {"Permissions": listed} if listed else {}

    def _update_permissions(self, asset_type: str, request: dict[str, Any]) -> dict[str, Any]:
        self._find(asset_type, request)["Permissions"] |= {
            grant["Principal"]: grant["Actions"] for grant in request["GrantPermissions"]
        }
        return {}

    def _find(self, asset_type: str, request: dict[str, Any]) -> dict[str, Any]:
        key = asset_type, request[f"{asset_type}Id"]
        if key not in self.assets:
            raise RefusedError("ResourceNotFoundException", f"there is no {key}")
        return self.assets[key]

    def _update_dashboard_published_version(self, request: dict[str, Any]) -> dict[str, Any]:
        asset = self._find("Dashboard", request)
        if not asset["versions"][request["VersionNumber"] - 1][0].endswith("_SUCCESSFUL"):
            raise RefusedError("ConflictException", "the version is not ready")
        asset["published"] = request["VersionNumber"]
        return {}

    def _describe_ingestion(self, request: dict[str, Any]) -> dict[str, Any]:
        asset = self._find("DataSet", request)
        assert request["IngestionId"] == f"ingestion-{len(asset['versions'])}"
        statuses = asset["versions"][-1]
        status = {"IN_PROGRESS": "RUNNING", "SUCCESSFUL": "COMPLETED", "FAILED": "FAILED"}[
            statuses[0].partition("_")[2]
        ]
        if len(statuses) > 1:
            statuses.pop(0)
        ingestion: dict[str, Any] = {"Arn": "arn", "IngestionStatus": status, "CreatedTime": CREATED}
        if status == "FAILED":
            ingestion["ErrorInfo"] = {"Type": "ROW_SIZE_LIMIT_EXCEEDED", "Message": asset["errors"]}
        return {"Ingestion": ingestion}

    def _describe_refresh_schedule(self, request: dict[str, Any]) -> dict[str, Any]:
        self._must_be_in_spice(request)
        if request["DataSetId"] not in self.schedules:
            raise RefusedError("ResourceNotFoundException", "there is no schedule")
        # QuickSight describes more than it was sent.
        return {"RefreshSchedule": self.schedules[request["DataSetId"]] | {"StartAfterDateTime": CREATED, "Arn": "arn"}}

    def _create_refresh_schedule(self, request: dict[str, Any]) -> dict[str, Any]:
        self._must_be_in_spice(request)
        self.schedules[request["DataSetId"]] = request["Schedule"]
        return {}

    def _must_be_in_spice(self, request: dict[str, Any]) -> None:
        if self._find("DataSet", request)["request"]["ImportMode"] != "SPICE":
            raise RefusedError("InvalidParameterValueException", "the data set is not in SPICE")

    def _update_refresh_schedule(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._create_refresh_schedule(request)

    def _delete_refresh_schedule(self, request: dict[str, Any]) -> dict[str, Any]:
        assert request["ScheduleId"] == self.schedules[request["DataSetId"]]["ScheduleId"]
        del self.schedules[request["DataSetId"]]
        return {}

    def _list_tags_for_resource(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._tags(request).items()]}

    def _tag_resource(self, request: dict[str, Any]) -> dict[str, Any]:
        self._tags(request).update({tag["Key"]: tag["Value"] for tag in request["Tags"]})
        return {}

    def _tags(self, request: dict[str, Any]) -> dict[str, str]:
        (tags,) = [asset["Tags"] for key, asset in self.assets.items() if self.arn(*key) == request["ResourceArn"]]
        return tags  # type: ignore[no-any-return]

    def _describe_account_subscription(self, _: dict[str, Any]) -> dict[str, Any]:
        if self.subscription is None:
            raise RefusedError("ResourceNotFoundException", "there is no subscription")
        return {"AccountInfo": self.subscription}

    def _describe_user(self, request: dict[str, Any]) -> dict[str, Any]:
        name, namespace = request["UserName"], request["Namespace"]
        if name not in self.users:
            raise RefusedError("ResourceNotFoundException", f"there is no user {name}")
        return {
            "User": {"Arn": f"{self.arn_prefix(self.signed_up_in)}:user/{namespace}/{name}", "Role": self.users[name]}
        }

    def _describe_group(self, request: dict[str, Any]) -> dict[str, Any]:
        name, namespace = request["GroupName"], request["Namespace"]
        if name not in self.groups:
            raise RefusedError("ResourceNotFoundException", f"there is no group {name}")
        return {"Group": {"Arn": f"{self.arn_prefix(self.signed_up_in)}:group/{namespace}/{name}"}}
