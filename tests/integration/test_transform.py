"""The template's API after the SAM transform, which CloudFormation runs."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from checks.transform import transform

Template = dict[str, Any]


@pytest.fixture
def transformed(template: Template) -> Template:
    return transform(template)


def resources(template: Template, kind: str) -> list[Template]:
    return [resource["Properties"] for resource in template["Resources"].values() if resource["Type"] == kind]


def test_the_api_has_one_stage_and_it_is_limited(transformed: Template, template: Template) -> None:
    """Without OpenApiVersion the transform adds one named Stage, which no limit binds."""
    assert [deployment.get("StageName") for deployment in resources(transformed, "AWS::ApiGateway::Deployment")] == [
        None
    ]
    (stage,) = resources(transformed, "AWS::ApiGateway::Stage")
    assert stage["MethodSettings"] == template["Resources"]["RestAPI"]["Properties"]["MethodSettings"]


def test_a_changed_origin_deploys_the_api_anew_and_so_reaches_the_gateway_responses(template: Template) -> None:
    """By the definition alone the two deployments would be one: its parameters are not yet filled in."""
    before = transform(template)
    time.sleep(1.1)  # the transform tells its runs apart by the second
    after = transform(template, UploadOrigin="https://example.com")
    assert not deployments(before) & deployments(after)


def deployments(template: Template) -> set[str]:
    return {
        name for name, resource in template["Resources"].items() if resource["Type"] == "AWS::ApiGateway::Deployment"
    }


def test_the_gateway_responses_stand_in_the_api_s_definition(transformed: Template, template: Template) -> None:
    (api,) = resources(transformed, "AWS::ApiGateway::RestApi")
    responses = api["Body"]["x-amazon-apigateway-gateway-responses"]
    written = template["Resources"]["RestAPI"]["Properties"]["GatewayResponses"]
    assert {name: response["responseTemplates"] for name, response in responses.items()} == {
        name: response["ResponseTemplates"] for name, response in written.items()
    }
    assert json.dumps(responses).count("gatewayresponse.header.Access-Control-Allow-Origin") == len(responses)
