"""The differences between the template of the local AWS and that of AWS; docs/verified.md lists them."""

import copy
from typing import Any

API_STAGE = "api"


def api_url(endpoint: str, api: str) -> str:
    """The REST API's address in the local AWS, without a slash at its end."""
    return f"{endpoint}/restapis/{api}/{API_STAGE}/_user_request_"


def adapt_to_local_aws(template: dict[str, Any], endpoint: str) -> dict[str, Any]:
    """The template with the API's local address, plain slashes in the paths of limits, and no metric math."""
    changed: dict[str, Any] = copy.deepcopy(template)
    address = {"Fn::Sub": api_url(endpoint, "${RestAPI}")}
    if "ApiUrl" in changed.get("Outputs", {}):
        changed["Outputs"]["ApiUrl"]["Value"] = address
    for resource in changed.get("Resources", {}).values():
        properties = resource.get("Properties", {})
        variables = properties.get("Environment", {}).get("Variables", {})
        if "API_URL" in variables:
            variables["API_URL"] = address
        for limits in properties.get("MethodSettings", []):
            limits["ResourcePath"] = limits["ResourcePath"].replace("/~1", "/").replace("~1", "/")
        if resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in properties:
            properties |= _first_metric(properties.pop("Metrics"))
    return changed


def _first_metric(metrics: list[dict[str, Any]]) -> dict[str, Any]:
    """The properties of an alarm on the first metric alone: the local AWS evaluates no alarm."""
    stat = next(metric["MetricStat"] for metric in metrics if "MetricStat" in metric)
    return {**stat["Metric"], "Period": stat["Period"], "Statistic": stat["Stat"]}
