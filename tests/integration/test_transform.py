"""What CloudFormation makes of the template's API: the SAM transform itself, run here."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from labelwatch import stack

Template = dict[str, Any]


@pytest.fixture
def transformed(template: Template) -> Template:
    pointing = stack.pointing_at(template, "bucket", "key")
    given = {"EmailNotification": "grower@example.com", "InputBucketName": "images", "OutputBucketName": "predictions"}
    defaults = {name: one["Default"] for name, one in template["Parameters"].items() if "Default" in one}
    result: Template = Translator({}, Parser()).translate(copy.deepcopy(pointing), defaults | given)
    return result


def resources(template: Template, kind: str) -> list[Template]:
    return [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]


def test_the_api_has_one_stage_and_it_is_limited(transformed: Template) -> None:
    """Without OpenApiVersion the transform adds one named Stage, which no limit binds."""
    assert [one.get("StageName") for one in resources(transformed, "AWS::ApiGateway::Deployment")] == [None]
    (stage,) = resources(transformed, "AWS::ApiGateway::Stage")
    assert stage["MethodSettings"][0]["ThrottlingRateLimit"] == 50


def test_a_changed_origin_reaches_the_gateway_responses_since_every_update_deploys_the_api(template: Template) -> None:
    assert template["Resources"]["RestAPI"]["Properties"]["AlwaysDeploy"] is True


def test_the_gateway_responses_stand_in_the_api_s_definition(transformed: Template, template: Template) -> None:
    (api,) = resources(transformed, "AWS::ApiGateway::RestApi")
    responses = api["Body"]["x-amazon-apigateway-gateway-responses"]
    written = template["Resources"]["RestAPI"]["Properties"]["GatewayResponses"]
    assert {name: one["responseTemplates"] for name, one in responses.items()} == {
        name: one["ResponseTemplates"] for name, one in written.items()
    }
    assert json.dumps(responses).count("gatewayresponse.header.Access-Control-Allow-Origin") == len(responses)
