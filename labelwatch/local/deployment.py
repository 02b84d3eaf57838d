"""The packaged template and zip, deployed into the local AWS as CloudFormation deploys them into AWS."""

import copy
import json
from typing import Any

from labelwatch.deploy import Package
from labelwatch.local.ministack import REGION, LocalAws
from labelwatch.shared import stacks

STACK = "labelwatch"
API_STAGE = "api"
PACKAGES_BUCKET = "labelwatch-packages"
# Instead of five minutes: the local model starts in seconds, and deferred images should come soon after.
DEFER_SECONDS = 15
_API_URL = f"{{endpoint}}/restapis/{{api}}/{API_STAGE}/_user_request_"
# ministack checks for an action named like the call; on AWS a batch call needs the action without `Batch`.
_BATCH_ACTIONS = {"sqs:SendMessage": "sqs:SendMessageBatch", "sqs:DeleteMessage": "sqs:DeleteMessageBatch"}


def deploy(local_aws: LocalAws, package: Package, parameters: dict[str, str]) -> dict[str, str]:
    """Deploys the package and returns the stack's outputs; raises UserError with the failed resource's reason."""
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket=PACKAGES_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.upload_file(str(package.zip), PACKAGES_BUCKET, package.zip.name)
    template = stacks.pointing_at(json.loads(package.template.read_text()), PACKAGES_BUCKET, package.zip.name)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["Environment"]["Variables"]["DEFER_SECONDS"] = str(DEFER_SECONDS)
    return deploy_template(local_aws, STACK, template, parameters)


def deploy_template(
    local_aws: LocalAws, name: str, template: dict[str, Any], parameters: dict[str, str]
) -> dict[str, str]:
    """Creates this stack through a change set and returns its outputs; raises UserError as `deploy` does."""
    key = f"{name}.json"
    adapted = adapt_to_local_aws(template)
    for resource in adapted["Resources"].values():
        variables = resource["Properties"].get("Environment", {}).get("Variables", {})
        if "API_URL" in variables:
            variables["API_URL"] = {"Fn::Sub": _API_URL.format(endpoint=local_aws.endpoint, api="${RestAPI}")}
    content = json.dumps(adapted).encode()
    local_aws.client("s3").put_object(Bucket=PACKAGES_BUCKET, Key=key, Body=content)
    url = f"{local_aws.endpoint}/{PACKAGES_BUCKET}/{key}"
    cloudformation = stacks.Stacks(local_aws.client("cloudformation"), poll_seconds=0.2)
    plan = cloudformation.plan(name, url, parameters, creates=True)
    outputs = cloudformation.apply(plan) if plan else {}
    if "RestAPIId" in outputs:
        # Gateway responses take effect with the next deployment of the API.
        local_aws.client("apigateway").create_deployment(restApiId=outputs["RestAPIId"], stageName=API_STAGE)
    return outputs


def api_url(local_aws: LocalAws, outputs: dict[str, str]) -> str:
    """The REST API's address in the local AWS; on AWS it is the output ApiUrl."""
    return _API_URL.format(endpoint=local_aws.endpoint, api=outputs["RestAPIId"])


def adapt_to_local_aws(template: dict[str, Any]) -> dict[str, Any]:
    """The template with the only four differences between the local AWS and AWS; docs/verified.md lists them.

    The statements that deny plain HTTP deny TLS instead, since loopback has no TLS (without them, the topics would have
    their open default policy). The roles have ministack's names of SQS actions as well. The gateway responses are
    resources of their own, since ministack does not read them in the API's definition. The paths that have limits of
    their own have plain slashes, as ministack reads them.
    """
    changed: dict[str, Any] = copy.deepcopy(template)
    api = changed["Resources"].get("RestAPI", {"Properties": {}})
    changed["Resources"] |= _gateway_responses(api["Properties"].pop("GatewayResponses", {}))
    for limits in api["Properties"].get("MethodSettings", []):
        limits["ResourcePath"] = limits["ResourcePath"].replace("/~1", "/").replace("~1", "/")
    for resource in changed["Resources"].values():
        properties = resource["Properties"]
        for policy in properties.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                allowing = statement.get("Fn::If", [None, statement])[1]
                allowing["Action"] = _with_batch_actions(allowing["Action"])
        for statement in properties.get("PolicyDocument", {}).get("Statement", []):
            if statement["Sid"] == "TlsOnly":
                statement["Condition"] = {"Bool": {"aws:SecureTransport": "true"}}
    return changed


def _with_batch_actions(actions: Any) -> Any:  # noqa: ANN401 - a name, a list of names or an intrinsic function
    if isinstance(actions, dict):
        return actions
    names = [actions] if isinstance(actions, str) else actions
    return names + [_BATCH_ACTIONS[name] for name in names if name in _BATCH_ACTIONS]


def _gateway_responses(responses: dict[str, Any]) -> dict[str, Any]:
    return {
        f"Response{kind.title().replace('_', '')}": {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "Properties": {
                "RestApiId": {"Ref": "RestAPI"},
                "ResponseType": kind,
                **response,
                "ResponseParameters": {
                    f"gatewayresponse.header.{name}": value
                    for name, value in response["ResponseParameters"]["Headers"].items()
                },
            },
        }
        for kind, response in responses.items()
    }
