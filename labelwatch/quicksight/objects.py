"""The objects of a stack in QuickSight: made, changed where something changed, shared, and taken away."""

import hashlib
import json
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from labelwatch.quicksight.document import Body
from labelwatch.quicksight.errors import told
from labelwatch.quicksight.identities import Principal
from labelwatch.quicksight.kinds import ANALYSIS, DASHBOARD, DATA_SET, DATA_SOURCE, Home, Kind
from labelwatch.shared.errors import UserError

# On each object: the SHA-256 of what was sent last and ended well. QuickSight answers with more, and in another form,
# than what it was sent, so what it describes cannot be compared with what would be sent.
SENT = "labelwatch-sent"
MADE, CHANGED, THE_SAME, GONE = "made", "changed", "unchanged", "deleted"


class State(NamedTuple):
    """What QuickSight says of what it was asked to do."""

    status: str
    errors: list[str]


class Objects:
    """Those of one stack: one of each kind, and the data set's refresh schedule."""

    def __init__(self, client: Any, home: Home, poll_seconds: float = 2) -> None:  # noqa: ANN401 - boto3's
        self._client = client
        self._account = {"AwsAccountId": home.account}
        self._home = home
        self._poll_seconds = poll_seconds

    def put(self, kind: Kind, body: Body) -> str:
        """Makes the object, or changes it where something else was sent before; says which it was.

        Waits for QuickSight's verdict; raises UserError with its words where that is bad.
        """
        found, sent = self._find(kind), _digest(body)
        there = found is not None
        # An analysis that somebody deleted is there for 30 days more, and nobody sees it.
        deleted = found is not None and found.get("Status") == "DELETED"
        if there and not deleted and self._tags(kind).get(SENT) == sent:
            return THE_SAME
        with told(f"the {kind.name}"):
            if deleted:
                self._call("restore", kind)
            if there:
                # What a data source is cannot be changed, so the update takes no Type.
                answer = self._call("update", kind, **{name: one for name, one in body.items() if name != "Type"})
            else:
                tags = _tags({"application": "labelwatch", "stack": self._home.stack})
                answer = self._call("create", kind, **body, Tags=tags)
            self._wait(kind, answer)
            if there and kind == DASHBOARD:
                self._client.update_dashboard_published_version(
                    **self._account, **self._id(kind), VersionNumber=_version(answer)
                )
            self._client.tag_resource(ResourceArn=self._home.arn(kind), Tags=_tags({SENT: sent}))
        return CHANGED if there else MADE

    def share(self, kind: Kind, principals: Iterable[Principal]) -> list[Principal]:
        """Grants what is missing, and gives those who got something; takes nothing away from anybody."""
        with told(f"to share the {kind.name}"):
            granted = self._call("describe", kind, "_permissions").get("Permissions", [])
            has = {one["Principal"]: set(one["Actions"]) for one in granted}
            missing = [one for one in principals if _may(kind, one) - has.get(one.arn, set())]
            if missing:
                grants = [{"Principal": one.arn, "Actions": sorted(_may(kind, one))} for one in missing]
                self._call("update", kind, "_permissions", GrantPermissions=grants)
        return missing

    def refresh(self, schedule: Body, *, wanted: bool) -> str | None:
        """Makes the data set's schedule this one, or takes it away; says what was done, None where that is nothing."""
        where = {**self._account, **self._id(DATA_SET)}
        there = self._schedule(schedule["ScheduleId"])
        with told("the refresh schedule"):
            if not wanted:
                if there is None:
                    return None
                self._client.delete_refresh_schedule(**where, ScheduleId=schedule["ScheduleId"])
                return GONE
            if there is None:
                self._client.create_refresh_schedule(**where, Schedule=schedule)
                return MADE
            if schedule.items() <= there.items():
                return THE_SAME
            self._client.update_refresh_schedule(**where, Schedule=schedule)
            return CHANGED

    def is_in_spice(self) -> bool:
        """Whether the data set keeps its rows in QuickSight; False where there is none yet."""
        data_set = self._find(DATA_SET)
        return data_set is not None and data_set["ImportMode"] == "SPICE"

    def remove(self, kind: Kind) -> bool:
        """Deletes the object, an analysis for good; False where it was not there."""
        if self._find(kind) is None:
            return False
        for_good: Body = {"ForceDeleteWithoutRecovery": True} if kind == ANALYSIS else {}
        with told(f"to delete the {kind.name}"):
            self._call("delete", kind, **for_good)
        return True

    def _find(self, kind: Kind) -> Body | None:
        with told(f"to tell of the {kind.name}"):
            try:
                answer = self._call("describe", kind)
            except self._client.exceptions.ResourceNotFoundException:
                return None
        found: Body = answer[kind.field]
        return found

    def _schedule(self, name: str) -> Body | None:
        if not self.is_in_spice():
            return None  # there can be none, and it is not sure what QuickSight says to the question
        with told("to tell of the refresh schedule"):
            try:
                answer = self._client.describe_refresh_schedule(**self._account, **self._id(DATA_SET), ScheduleId=name)
            except self._client.exceptions.ResourceNotFoundException:
                return None
        schedule: Body = answer["RefreshSchedule"]
        return schedule

    def _tags(self, kind: Kind) -> dict[str, str]:
        with told(f"to tell the tags of the {kind.name}"):
            answer = self._client.list_tags_for_resource(ResourceArn=self._home.arn(kind))
        return {one["Key"]: one["Value"] for one in answer.get("Tags", [])}

    def _wait(self, kind: Kind, answer: Body) -> None:
        while not (state := self._state(kind, answer)).status.endswith(("SUCCESSFUL", "COMPLETED")):
            if state.status.endswith(("FAILED", "CANCELLED", "DELETED")):
                why = "; ".join(state.errors) or f"it is {state.status}, and QuickSight does not say why"
                raise UserError(f"QuickSight does not take the {kind.name}: {why}")
            time.sleep(self._poll_seconds)

    def _state(self, kind: Kind, answer: Body) -> State:
        """What has become of what was answered so."""
        if kind == DATA_SET:
            # A data set itself is there at once; what takes its time is bringing the rows into SPICE.
            return self._ingestion(answer["IngestionId"]) if "IngestionId" in answer else State("COMPLETED", [])
        if kind == DASHBOARD:
            # Without its number the answer is about the version that is published.
            found = self._call("describe", kind, VersionNumber=_version(answer))[kind.field]["Version"]
        else:
            found = self._call("describe", kind)[kind.field]
        errors = [found["ErrorInfo"]] if kind == DATA_SOURCE and "ErrorInfo" in found else found.get("Errors", [])
        return State(found["Status"], [_words(one) for one in errors])

    def _ingestion(self, ingestion: str) -> State:
        found = self._client.describe_ingestion(**self._account, **self._id(DATA_SET), IngestionId=ingestion)[
            "Ingestion"
        ]
        return State(found["IngestionStatus"], [_words(found["ErrorInfo"])] if "ErrorInfo" in found else [])

    def _call(self, verb: str, kind: Kind, of: str = "", **arguments: Any) -> Body:  # noqa: ANN401 - the API's own
        operation = getattr(self._client, f"{verb}_{kind.call}{of}")
        answer: Body = operation(**self._account, **self._id(kind), **arguments)
        return answer

    def _id(self, kind: Kind) -> dict[str, str]:
        return {f"{kind.field}Id": self._home.stack}


def _may(kind: Kind, principal: Principal) -> frozenset[str]:
    return kind.owner if principal.authors else kind.viewer


def _digest(body: Body) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _version(answer: Body) -> int:
    """The dashboard's version that was answered, whose number is the end of its ARN."""
    return int(answer["VersionArn"].rpartition("/")[2])


def _words(error: dict[str, Any]) -> str:
    words: str = error.get("Message") or error.get("Type") or "it gives no reason"
    return words
