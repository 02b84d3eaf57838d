"""A QuickSight that keeps what it is given, behind botocore's own client: each call and each answer fits the model."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
from botocore import xform_name
from botocore.validate import validate_parameters

OWNER = "123456789012"
WHEN = datetime(2026, 11, 27, tzinfo=UTC)
KINDS = {"DataSource": "datasource", "DataSet": "dataset", "Analysis": "analysis", "Dashboard": "dashboard"}


class RefusedError(Exception):
    """Raised inside the fake for what its caller gets as a ClientError."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)


@cache
def _session() -> boto3.Session:
    """One for all: it reads the model once, which is large."""
    return boto3.Session()


class FakeQuickSight:
    """One account's: objects by kind and id, users, groups; `fails` says which kinds end badly, and in which words."""

    def __init__(self, region: str = "eu-central-1", signed_up_in: str = "eu-central-1") -> None:
        self.region = region
        self.signed_up_in = signed_up_in
        self.subscription: dict[str, str] | None = {"Edition": "ENTERPRISE", "AccountSubscriptionStatus": "OK"}
        self.users = {"ann": "AUTHOR", "ron": "READER"}
        self.groups = {"growers"}
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.schedules: dict[str, dict[str, Any]] = {}
        self.fails: dict[str, str] = {}
        self.refuses: dict[str, tuple[str, str]] = {}
        self.asked: list[tuple[str, str]] = []
        self.sent: list[str] = []

    def client(self, region: str) -> Any:
        """A client of that Region whose calls come here once botocore has found them well formed."""
        client = _session().client("quicksight", region_name=region)

        def keep(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
            context["asked"] = params

        def answer(model: Any, context: dict[str, Any], **_: Any) -> tuple[SimpleNamespace, dict[str, Any]]:
            self.asked.append((region, model.name))
            try:
                parsed = self._answer(model.name, region, context["asked"])
            except RefusedError as refusal:
                code, message = refusal.args
                return SimpleNamespace(status_code=400), {
                    "Error": {"Code": code, "Message": message},
                    "ResponseMetadata": {"HTTPStatusCode": 400},
                }
            validate_parameters(parsed, model.output_shape)
            return SimpleNamespace(status_code=200), parsed

        client.meta.events.register("provide-client-params.quicksight", keep)
        client.meta.events.register("before-call.quicksight", answer)
        return client

    def arn(self, kind: str, name: str) -> str:
        return f"{self.home(self.region)}:{KINDS[kind]}/{name}"

    def home(self, region: str) -> str:
        partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")
        return f"arn:{partition}:quicksight:{region}:{OWNER}"

    def granted(self, kind: str, name: str) -> dict[str, set[str]]:
        return {arn: set(actions) for arn, actions in self.objects[kind, name]["Permissions"].items()}

    def _answer(self, operation: str, region: str, asked: dict[str, Any]) -> dict[str, Any]:
        if operation in self.refuses:
            raise RefusedError(*self.refuses[operation])
        if not operation.startswith(("Describe", "List")):
            self.sent.append(operation)
        for kind in KINDS:
            for verb in ("Create", "Update", "Describe", "Delete", "Restore"):
                if operation == f"{verb}{kind}":
                    return getattr(self, f"_{verb.lower()}")(kind, asked)  # type: ignore[no-any-return]
                if operation == f"{verb}{kind}Permissions":
                    return getattr(self, f"_{verb.lower()}_permissions")(kind, asked)  # type: ignore[no-any-return]
        if (
            operation in {"DescribeUser", "DescribeGroup", "DescribeAccountSubscription"}
            and region != self.signed_up_in
        ):
            raise RefusedError(
                "AccessDeniedException",
                f"Operation is being called from endpoint {region}, but your identity region is {self.signed_up_in}. "
                f"Please use the {self.signed_up_in} endpoint.",
            )
        return getattr(self, f"_{xform_name(operation)}")(asked)  # type: ignore[no-any-return]

    def _create(self, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
        key = kind, asked[f"{kind}Id"]
        if key in self.objects:
            raise RefusedError("ResourceExistsException", f"{key} is there")
        self.objects[key] = {"Permissions": {}, "Tags": {one["Key"]: one["Value"] for one in asked["Tags"]}}
        return self._settle(kind, asked, "CREATION")

    def _update(self, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
        self._found(kind, asked)
        return self._settle(kind, asked, "UPDATE")

    def _settle(self, kind: str, asked: dict[str, Any], what: str) -> dict[str, Any]:
        """What was asked, which is in progress once and then what it will be."""
        one = self._found(kind, asked)
        end = "FAILED" if kind in self.fails else "SUCCESSFUL"
        one["asked"] = asked
        one.setdefault("versions", []).append([f"{what}_IN_PROGRESS", f"{what}_{end}"])
        one["errors"] = self.fails.get(kind)
        if what == "CREATION":
            one["published"] = 1
        arn = self.arn(kind, asked[f"{kind}Id"])
        if kind == "Dashboard":
            return {"Arn": arn, "VersionArn": f"{arn}/version/{len(one['versions'])}"}
        if kind == "DataSet" and asked["ImportMode"] == "SPICE":
            return {"Arn": arn, "IngestionId": f"ingestion-{len(one['versions'])}"}
        return {"Arn": arn}

    def _describe(self, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
        one = self._found(kind, asked)
        if kind == "DataSet":
            return {"DataSet": {"Arn": self.arn(kind, asked["DataSetId"]), "ImportMode": one["asked"]["ImportMode"]}}
        number = asked.get("VersionNumber", one["published"] if kind == "Dashboard" else len(one["versions"]))
        statuses = one["versions"][number - 1]
        state: dict[str, Any] = {"Status": statuses.pop(0) if len(statuses) > 1 else statuses[0]}
        if one["errors"] and state["Status"].endswith("_FAILED"):
            words = {"Type": "ACCESS_DENIED", "Message": one["errors"]}
            state |= {"ErrorInfo": words} if kind == "DataSource" else {"Errors": [words]}
        if kind == "Dashboard":
            return {"Dashboard": {"Version": state | {"VersionNumber": number}}}
        return {kind: state}

    def _delete(self, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
        self._found(kind, asked)
        name = asked[f"{kind}Id"]
        if kind == "Analysis" and not asked.get("ForceDeleteWithoutRecovery"):
            self.objects[kind, name]["versions"].append(["DELETED"])  # for thirty days
            return {}
        if kind == "DataSet":
            self.schedules.pop(name, None)
        del self.objects[kind, name]
        return {}

    def _restore(self, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
        self._found(kind, asked)["versions"].pop()
        return {}

    def _describe_permissions(self, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
        granted = self._found(kind, asked)["Permissions"]
        listed = [{"Principal": arn, "Actions": actions} for arn, actions in granted.items()]
        return {"Permissions": listed} if listed else {}

    def _update_permissions(self, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
        self._found(kind, asked)["Permissions"] |= {
            one["Principal"]: one["Actions"] for one in asked["GrantPermissions"]
        }
        return {}

    def _found(self, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
        key = kind, asked[f"{kind}Id"]
        if key not in self.objects:
            raise RefusedError("ResourceNotFoundException", f"there is no {key}")
        return self.objects[key]

    def _update_dashboard_published_version(self, asked: dict[str, Any]) -> dict[str, Any]:
        one = self._found("Dashboard", asked)
        if not one["versions"][asked["VersionNumber"] - 1][0].endswith("_SUCCESSFUL"):
            raise RefusedError("ConflictException", "the version is not ready")
        one["published"] = asked["VersionNumber"]
        return {}

    def _describe_ingestion(self, asked: dict[str, Any]) -> dict[str, Any]:
        one = self._found("DataSet", asked)
        assert asked["IngestionId"] == f"ingestion-{len(one['versions'])}"
        statuses = one["versions"][-1]
        now = {"IN_PROGRESS": "RUNNING", "SUCCESSFUL": "COMPLETED", "FAILED": "FAILED"}[statuses[0].partition("_")[2]]
        if len(statuses) > 1:
            statuses.pop(0)
        found: dict[str, Any] = {"Arn": "arn", "IngestionStatus": now, "CreatedTime": WHEN}
        if now == "FAILED":
            found["ErrorInfo"] = {"Type": "ROW_SIZE_LIMIT_EXCEEDED", "Message": one["errors"]}
        return {"Ingestion": found}

    def _describe_refresh_schedule(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._must_be_in_spice(asked)
        if asked["DataSetId"] not in self.schedules:
            raise RefusedError("ResourceNotFoundException", "there is no schedule")
        # With more than was sent, as QuickSight does.
        return {"RefreshSchedule": self.schedules[asked["DataSetId"]] | {"StartAfterDateTime": WHEN, "Arn": "arn"}}

    def _create_refresh_schedule(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._must_be_in_spice(asked)
        self.schedules[asked["DataSetId"]] = asked["Schedule"]
        return {}

    def _must_be_in_spice(self, asked: dict[str, Any]) -> None:
        if self._found("DataSet", asked)["asked"]["ImportMode"] != "SPICE":
            raise RefusedError("InvalidParameterValueException", "the data set is not in SPICE")

    def _update_refresh_schedule(self, asked: dict[str, Any]) -> dict[str, Any]:
        return self._create_refresh_schedule(asked)

    def _delete_refresh_schedule(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert asked["ScheduleId"] == self.schedules[asked["DataSetId"]]["ScheduleId"]
        del self.schedules[asked["DataSetId"]]
        return {}

    def _list_tags_for_resource(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._tags(asked).items()]}

    def _tag_resource(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._tags(asked).update({one["Key"]: one["Value"] for one in asked["Tags"]})
        return {}

    def _tags(self, asked: dict[str, Any]) -> dict[str, str]:
        (tags,) = [one["Tags"] for key, one in self.objects.items() if self.arn(*key) == asked["ResourceArn"]]
        return tags  # type: ignore[no-any-return]

    def _describe_account_subscription(self, _: dict[str, Any]) -> dict[str, Any]:
        if self.subscription is None:
            raise RefusedError("ResourceNotFoundException", "there is no subscription")
        return {"AccountInfo": self.subscription}

    def _describe_user(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, namespace = asked["UserName"], asked["Namespace"]
        if name not in self.users:
            raise RefusedError("ResourceNotFoundException", f"there is no user {name}")
        return {"User": {"Arn": f"{self.home(self.signed_up_in)}:user/{namespace}/{name}", "Role": self.users[name]}}

    def _describe_group(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, namespace = asked["GroupName"], asked["Namespace"]
        if name not in self.groups:
            raise RefusedError("ResourceNotFoundException", f"there is no group {name}")
        return {"Group": {"Arn": f"{self.home(self.signed_up_in)}:group/{namespace}/{name}"}}
