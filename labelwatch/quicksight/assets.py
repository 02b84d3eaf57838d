"""Creates, updates, shares and deletes the assets of a stack in QuickSight."""

import hashlib
import json
import time
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from labelwatch.quicksight.asset_types import ANALYSIS, DASHBOARD, DATA_SET, AssetType, Location
from labelwatch.quicksight.errors import user_errors
from labelwatch.quicksight.identities import Principal
from labelwatch.quicksight.requests import Body
from labelwatch.shared.errors import UserError

# A tag of each asset: the SHA-256 of the body that was sent last with success. QuickSight describes an asset in another
# form than it was sent, so its description cannot be compared with a body.
SENT_TAG = "labelwatch-sent"

type Change = Literal["created", "updated", "unchanged"]


class Status(NamedTuple):
    """The status of a creation, an update or an ingestion, and its errors."""

    status: str
    errors: list[str]


class Assets:
    """The assets of one stack: an asset of each type, and the data set's refresh schedule."""

    def __init__(self, client: Any, location: Location, poll_seconds: float = 2) -> None:  # noqa: ANN401 - boto3's
        self._client = client
        self._account = {"AwsAccountId": location.account}
        self._location = location
        self._poll_seconds = poll_seconds

    def put(self, asset_type: AssetType, body: Body) -> Change:
        """Creates the asset, or updates an asset whose last body differs.

        Waits until QuickSight has finished; raises UserError with QuickSight's reason where that fails.
        """
        asset, digest = self._describe(asset_type), _digest(body)
        # A deleted analysis is hidden for 30 days, and can be restored.
        deleted = asset is not None and asset.get("Status") == "DELETED"
        if asset is not None and not deleted and self._tags(asset_type).get(SENT_TAG) == digest:
            return "unchanged"
        with user_errors(f"create or update the {asset_type.name}"):
            if deleted:
                self._call("restore", asset_type)
            if asset is None:
                self._create(asset_type, body)
            else:
                self._update(asset_type, body)
            self._client.tag_resource(ResourceArn=self._location.arn(asset_type), Tags=_tags({SENT_TAG: digest}))
        return "created" if asset is None else "updated"

    def share(self, asset_type: AssetType, principals: Iterable[Principal]) -> list[Principal]:
        """Grants missing permissions and revokes none; returns the principals with new permissions."""
        with user_errors(f"share the {asset_type.name}"):
            permissions = self._call("describe", asset_type, "_permissions").get("Permissions", [])
            granted = {permission["Principal"]: set(permission["Actions"]) for permission in permissions}
            missing = [
                principal
                for principal in principals
                if _actions(asset_type, principal) - granted.get(principal.arn, set())
            ]
            if missing:
                grants = [
                    {"Principal": principal.arn, "Actions": sorted(_actions(asset_type, principal))}
                    for principal in missing
                ]
                self._call("update", asset_type, "_permissions", GrantPermissions=grants)
        return missing

    def put_schedule(self, schedule: Body) -> Change:
        """Creates the data set's refresh schedule, or updates a schedule that differs."""
        existing = self._schedule(schedule["ScheduleId"])
        data_set = {**self._account, **self._id(DATA_SET)}
        with user_errors("create or update the refresh schedule"):
            if existing is None:
                self._client.create_refresh_schedule(**data_set, Schedule=schedule)
                return "created"
            if schedule.items() <= existing.items():
                return "unchanged"
            self._client.update_refresh_schedule(**data_set, Schedule=schedule)
            return "updated"

    def delete_schedule(self, schedule: Body) -> bool:
        """Deletes the data set's refresh schedule; False where it did not exist."""
        if self._schedule(schedule["ScheduleId"]) is None:
            return False
        data_set = {**self._account, **self._id(DATA_SET)}
        with user_errors("delete the refresh schedule"):
            self._client.delete_refresh_schedule(**data_set, ScheduleId=schedule["ScheduleId"])
        return True

    def is_in_spice(self) -> bool:
        """Whether the data set imports its rows into SPICE; False without a data set."""
        data_set = self._describe(DATA_SET)
        return data_set is not None and data_set["ImportMode"] == "SPICE"

    def delete(self, asset_type: AssetType) -> bool:
        """Deletes the asset, an analysis without recovery; False where it did not exist."""
        if self._describe(asset_type) is None:
            return False
        options: Body = {"ForceDeleteWithoutRecovery": True} if asset_type == ANALYSIS else {}
        with user_errors(f"delete the {asset_type.name}"):
            self._call("delete", asset_type, **options)
        return True

    def _create(self, asset_type: AssetType, body: Body) -> None:
        tags = _tags({"application": "labelwatch", "stack": self._location.stack})
        self._wait(asset_type, self._call("create", asset_type, **body, Tags=tags))

    def _update(self, asset_type: AssetType, body: Body) -> None:
        # The type of a data source cannot be changed, so an update has no Type.
        changes = {name: value for name, value in body.items() if name != "Type"}
        response = self._call("update", asset_type, **changes)
        self._wait(asset_type, response)
        if asset_type == DASHBOARD:
            self._client.update_dashboard_published_version(
                **self._account, **self._id(asset_type), VersionNumber=_version(response)
            )

    def _describe(self, asset_type: AssetType) -> Body | None:
        with user_errors(f"describe the {asset_type.name}"):
            try:
                response = self._call("describe", asset_type)
            except self._client.exceptions.ResourceNotFoundException:
                return None
        asset: Body = response[asset_type.field]
        return asset

    def _schedule(self, schedule_id: str) -> Body | None:
        if not self.is_in_spice():
            return None  # no schedule can exist, and AWS does not document the response
        data_set = {**self._account, **self._id(DATA_SET)}
        with user_errors("describe the refresh schedule"):
            try:
                response = self._client.describe_refresh_schedule(**data_set, ScheduleId=schedule_id)
            except self._client.exceptions.ResourceNotFoundException:
                return None
        schedule: Body = response["RefreshSchedule"]
        return schedule

    def _tags(self, asset_type: AssetType) -> dict[str, str]:
        with user_errors(f"list the tags of the {asset_type.name}"):
            response = self._client.list_tags_for_resource(ResourceArn=self._location.arn(asset_type))
        return {tag["Key"]: tag["Value"] for tag in response.get("Tags", [])}

    def _wait(self, asset_type: AssetType, response: Body) -> None:
        while not (state := self._status(asset_type, response)).status.endswith(("SUCCESSFUL", "COMPLETED")):
            if state.status.endswith(("FAILED", "CANCELLED", "DELETED")):
                reason = "; ".join(state.errors) or f"status {state.status} without a reason"
                raise UserError(f"QuickSight could not create or update the {asset_type.name}: {reason}")
            time.sleep(self._poll_seconds)

    def _status(self, asset_type: AssetType, response: Body) -> Status:
        """The current status of the creation or update with this response."""
        if asset_type == DATA_SET:
            # A data set is created at once; the import of its rows into SPICE takes time.
            return self._ingestion(response["IngestionId"]) if "IngestionId" in response else Status("COMPLETED", [])
        if asset_type == DASHBOARD:
            # Without a number, the response describes the published version.
            asset = self._call("describe", asset_type, VersionNumber=_version(response))[asset_type.field]["Version"]
        else:
            asset = self._call("describe", asset_type)[asset_type.field]
        errors = [asset["ErrorInfo"]] if "ErrorInfo" in asset else asset.get("Errors", [])
        return Status(asset["Status"], [_words(error) for error in errors])

    def _ingestion(self, ingestion_id: str) -> Status:
        data_set = {**self._account, **self._id(DATA_SET)}
        ingestion = self._client.describe_ingestion(**data_set, IngestionId=ingestion_id)["Ingestion"]
        errors = [_words(ingestion["ErrorInfo"])] if "ErrorInfo" in ingestion else []
        return Status(ingestion["IngestionStatus"], errors)

    def _call(self, verb: str, asset_type: AssetType, suffix: str = "", **arguments: Any) -> Body:  # noqa: ANN401 - the API's own
        operation = getattr(self._client, f"{verb}_{asset_type.operation}{suffix}")
        response: Body = operation(**self._account, **self._id(asset_type), **arguments)
        return response

    def _id(self, asset_type: AssetType) -> dict[str, str]:
        return {f"{asset_type.field}Id": self._location.stack}


def _actions(asset_type: AssetType, principal: Principal) -> frozenset[str]:
    return asset_type.owner if principal.authors else asset_type.viewer


def _digest(body: Body) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _version(response: Body) -> int:
    """The number of the dashboard's version, which is the end of the version's ARN."""
    return int(response["VersionArn"].rpartition("/")[2])


def _words(error: dict[str, Any]) -> str:
    words: str = error.get("Message") or error.get("Type") or "no reason given"
    return words
