"""The limits of requests to the REST API that `chalice deploy` creates: those of the template, which Chalice omits."""

from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws_lambda import rest_api_id
from chalicelib.adapters.faults import raising_faults
from labelwatch.deploy.packaging import load_template
from labelwatch.shared.project import PROJECT

if TYPE_CHECKING:
    from labelwatch.shared.account import Account

# The name that Chalice gives to the stage of its API.
API_STAGE = "api"
# The two settings of a method, by the end of their names in the template and in GetStage.
PATHS = {"RateLimit": "throttling/rateLimit", "BurstLimit": "throttling/burstLimit"}


def of_template() -> dict[str, float]:
    """Each limit by its path in UpdateStage, such as `/*/*/throttling/rateLimit`."""
    template = load_template(PROJECT / "infra" / "functions.yaml")
    return {
        f"{settings['ResourcePath']}/{settings['HttpMethod']}/{path}": settings[f"Throttling{name}"]
        for settings in template["Resources"]["RestAPI"]["Properties"]["MethodSettings"]
        for name, path in PATHS.items()
    }


def apply(account: "Account", function: str, limits: dict[str, float]) -> bool | None:
    """Sets the limits that differ, of the API that invokes the function; whether any did, None without an API.

    A stage keeps its limits when the API is deployed again. Raises a Fault where AWS refuses.
    """
    with raising_faults():
        api = rest_api_id(account.client("lambda"), function)
        if not api:
            return None
        client = account.client("apigateway")
        stage = {"restApiId": api, "stageName": API_STAGE}
        different = differing(client, api, limits)
        if different:
            operations = [{"op": "replace", "path": path, "value": str(value)} for path, value in different.items()]
            client.update_stage(**stage, patchOperations=operations)
        return bool(different)


def differing(apigateway: Any, api: str, limits: dict[str, float]) -> dict[str, float]:  # noqa: ANN401 - of any endpoint
    """The limits that the API's stage does not have."""
    present = _limits_of(apigateway.get_stage(restApiId=api, stageName=API_STAGE))
    return {path: value for path, value in limits.items() if present.get(_plain(path)) != value}


def _limits_of(stage: dict[str, Any]) -> dict[str, float]:
    return {
        f"{_plain(method)}/{path}": settings.get(f"throttling{name}")
        for method, settings in stage.get("methodSettings", {}).items()
        for name, path in PATHS.items()
    }


def _plain(path: str) -> str:
    """The path with plain slashes and none at its beginning: API Gateway takes and gives more than one form."""
    return path.replace("~1", "/").lstrip("/")
