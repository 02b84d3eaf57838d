"""The deployment that the checks read: the stack, its functions in both ways to deploy, and the model."""

from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from chalicelib.adapters.rekognition import project_name, version_name
from chalicelib.settings import GENERAL_MODEL, camel_case
from labelwatch.deploy import functions, stage
from labelwatch.shared.account import Account
from labelwatch.shared.stacks import Resource, Stack, Stacks

FUNCTION = "AWS::Lambda::Function"
REVERT_DRIFT = 'See "A resource is changed or deleted by hand" in docs/deploy.md.'


class Deployment:
    """The stack of this name in the account; None as `stack` before its creation.

    `options` are the options of the command line that name the stack, for commands to copy. `config` is Chalice's
    configuration, which has the stage where the stack was made from this clone.
    """

    def __init__(
        self, account: Account, name: str, stack: Stack | None, options: str = "", config: Path = stage.CONFIG
    ) -> None:
        self.name = name
        self.region = account.region
        self.account_id = account.id
        self.options = options
        self.stack = stack
        self.config = config
        self._account = account
        self._clients: dict[str, Any] = {}
        self._lock = Lock()
        # So that checks at the same time wait for one reading: Rekognition allows five such calls a second.
        self._reading = Lock()

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3's clients have no common type
        """A client that threads may share; a session of boto3 creates one at a time."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._account.client(service)
            return self._clients[service]

    @property
    def values(self) -> dict[str, str]:
        """The stack's outputs and parameters."""
        return self.stack.values if self.stack else {}

    @property
    def is_local(self) -> bool:
        """Whether this is the local AWS, which has no context keys of IAM (docs/verified.md)."""
        return str(self.client("sts").meta.endpoint_url).startswith("http://")

    @property
    def redeploy(self) -> str:
        """How to restore the functions. CloudFormation updates no resource whose template is unchanged."""
        if self.is_template:
            return REVERT_DRIFT
        # First `up`: after a deployment that stopped, it rebuilds the file that the next one reads.
        return f"Run `labelwatch up{self.stage_option}`, then `chalice deploy{self.stage_option}`."

    @property
    def is_template(self) -> bool:
        """Whether the stack has the functions and the REST API, too."""
        return "RestAPIId" in self.values

    @property
    def stage_option(self) -> str:
        """The option of `chalice deploy` and `labelwatch up` that names the stage."""
        return f" --stage {self.name.removeprefix('labelwatch-')}"

    @property
    def uses_custom_model(self) -> bool:
        """Whether the model is a Custom Labels model, which is trained, started and stopped."""
        return self.values["CustomModelARN"] != GENERAL_MODEL

    @property
    def function_names(self) -> dict[str, str]:
        """The name in the account of each function that belongs to the deployment."""
        with self._reading:
            return self._function_names

    @property
    def model(self) -> dict[str, Any]:
        """Rekognition's description of the model version, with `Datasets` of its project; empty without a version."""
        with self._reading:
            return self._model

    def resources(self, resource_type: str) -> dict[str, str]:
        """The name in the account of each resource of this type that the stack has, by its logical id."""
        with self._reading:
            return {
                item.logical_id: item.physical_id for item in self._resources if item.resource_type == resource_type
            }

    @cached_property
    def _resources(self) -> list[Resource]:
        return Stacks(self.client("cloudformation")).resources(self.name)

    @cached_property
    def _function_names(self) -> dict[str, str]:
        included = {item.logical_id: item.physical_id for item in self._resources if item.resource_type == FUNCTION}
        roles = {name: output for name, output in stage.ROLES.items() if output in self.values}
        if not included:
            return {name: functions.chalice_name(self.name, name) for name in roles}
        # Only chalice deploy has the function `ingest`.
        return {name: included.get(_logical_id(name), "") for name in roles if name != "ingest"}

    @property
    def existing_bucket(self) -> str:
        """The existing bucket whose images are analysed too, with `chalice deploy` only; empty without one."""
        return self.values["ExistingBucketName"] if "ingest" in self.function_names else ""

    @cached_property
    def _model(self) -> dict[str, Any]:
        rekognition, arn = self.client("rekognition"), self.values["CustomModelARN"]
        for project in rekognition.describe_projects(ProjectNames=[project_name(arn)])["ProjectDescriptions"]:
            pages = rekognition.get_paginator("describe_project_versions").paginate(
                ProjectArn=project["ProjectArn"], VersionNames=[version_name(arn)]
            )
            for version in (version for page in pages for version in page["ProjectVersionDescriptions"]):
                if version["ProjectVersionArn"] == arn:
                    return {"Datasets": project.get("Datasets", []), **version}
        return {}

    def mappings(self, queue: str) -> list[dict[str, Any]]:
        """The event source mappings of the queue with this output."""
        pages = self.client("lambda").get_paginator("list_event_source_mappings")
        return [
            mapping
            for page in pages.paginate(EventSourceArn=self.values[queue])
            for mapping in page["EventSourceMappings"]
        ]


def _logical_id(name: str) -> str:
    """The function's name in the template; Chalice writes that of the REST API in its own way."""
    return "APIHandler" if name == "api_handler" else camel_case(name)
