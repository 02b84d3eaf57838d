"""The checks of the template without their tools: a bad statement is found, and a finding needs a reason."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checks import reasons, wildcards
from checks.intrinsics import readings, written_out
from checks.policies import policies
from checks.reasons import Finding, Reason
from labelwatch.deploy.packaging import load_template

Template = dict[str, Any]
PROJECT = Path(__file__).parents[2]
INPUT = {"Fn::GetAtt": ["InputBucket", "Arn"]}
QUEUE = {"Fn::GetAtt": ["ImagesQueue", "Arn"]}
BAD = Finding("cdk-nag", "AwsSolutions-IAM5[Resource::*]", "DetectRole", "It is wide.")


@pytest.fixture
def template() -> Template:
    return load_template(PROJECT / "infra" / "resources.yaml")


def written() -> list[Reason]:
    return reasons.read((PROJECT / reasons.FILE).read_text())


def role_policy(template: Template) -> list[Template]:
    (policy,) = template["Resources"]["DetectRole"]["Properties"]["Policies"]
    statements: list[Template] = policy["PolicyDocument"]["Statement"]
    return statements


def queue_policy(template: Template) -> list[Template]:
    statements: list[Template] = template["Resources"]["ImagesQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    return statements


def allow(**elements: Any) -> Template:
    return {"Effect": "Allow", **elements}


def nested(yes: Any) -> Template:
    """A statement that is there only while the first condition is true and the second is not."""
    nothing = {"Ref": "AWS::NoValue"}
    return {"Fn::If": ["HasExistingBucket", {"Fn::If": ["HasTracing", nothing, yes]}, nothing]}


BAD_STATEMENTS = [
    pytest.param(
        role_policy, allow(Action="*", Resource=INPUT), "DetectRole", "Allow * on <InputBucket.Arn>", id="any action"
    ),
    pytest.param(
        role_policy,
        allow(Action="s3:*", Resource=INPUT),
        "DetectRole",
        "Allow s3:* on <InputBucket.Arn>",
        id="any action of a service",
    ),
    pytest.param(
        role_policy,
        allow(Action="sqs:SendMessage", Resource="*"),
        "DetectRole",
        "Allow sqs:SendMessage on *",
        id="any resource",
    ),
    pytest.param(
        role_policy,
        allow(Action=["s3:PutObject", "s3:GetObject"], Resource=[INPUT, {"Fn::Sub": "${InputBucket.Arn}/*"}]),
        "DetectRole",
        "Allow s3:GetObject, s3:PutObject on <InputBucket.Arn>/*",
        id="any object",
    ),
    pytest.param(
        role_policy,
        allow(NotAction="s3:PutObject", Resource=INPUT),
        "DetectRole",
        "Allow * but s3:PutObject on <InputBucket.Arn>",
        id="all actions but one",
    ),
    pytest.param(
        role_policy,
        nested(allow(Action="sqs:*", Resource=QUEUE)),
        "DetectRole",
        "Allow sqs:* on <ImagesQueue.Arn>",
        id="in a branch of a branch",
    ),
    pytest.param(
        queue_policy,
        allow(Principal="*", Action="sqs:SendMessage", Resource=QUEUE),
        "ImagesQueuePolicy",
        "Allow sqs:SendMessage to anyone on <ImagesQueue.Arn>",
        id="anyone",
    ),
    pytest.param(
        queue_policy,
        allow(Principal={"AWS": ["*"]}, Action="sqs:SendMessage", Resource=QUEUE),
        "ImagesQueuePolicy",
        "Allow sqs:SendMessage to anyone on <ImagesQueue.Arn>",
        id="anyone of AWS",
    ),
    pytest.param(
        queue_policy,
        {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": QUEUE, "Condition": {"Bool": {"a:b": "c"}}},
        "ImagesQueuePolicy",
        "Deny sqs:* on <ImagesQueue.Arn>",
        id="a denial that is not for want of TLS",
    ),
]


@pytest.mark.parametrize(("policy", "bad", "resource", "rule"), BAD_STATEMENTS)
def test_a_statement_with_a_wildcard_is_found_and_has_no_reason(
    template: Template,
    policy: Callable[[Template], list[Template]],
    bad: Template,
    resource: str,
    rule: str,
) -> None:
    before = set(wildcards.findings(template))
    policy(template).append(bad)
    found = set(wildcards.findings(template)) - before
    assert [(finding.resource, finding.rule) for finding in reasons.unexplained(found, written())] == [(resource, rule)]


def test_a_statement_without_a_wildcard_is_not_found(template: Template) -> None:
    before = set(wildcards.findings(template))
    role_policy(template).append(allow(Action="sqs:SendMessage", Resource=QUEUE))
    queue_policy(template).append(allow(Principal={"AWS": "123456789012"}, Action="sqs:SendMessage", Resource=QUEUE))
    assert set(wildcards.findings(template)) == before


def test_a_role_that_anyone_may_assume_is_found(template: Template) -> None:
    before = set(wildcards.findings(template))
    (statement,) = template["Resources"]["DetectRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    statement["Principal"] = {"AWS": "*"}
    (found,) = set(wildcards.findings(template)) - before
    assert (found.resource, found.rule) == ("DetectRole", "Allow sts:AssumeRole to anyone on itself")


def test_denying_requests_without_tls_is_a_single_rule(template: Template) -> None:
    rules = {(finding.resource, finding.rule) for finding in wildcards.findings(template)}
    names = ("InputBucketPolicy", "ImagesQueuePolicy")
    assert {(name, "Deny what comes without TLS") for name in names} <= rules


def test_each_role_has_its_trust_policy_read(template: Template) -> None:
    roles = {name for name, resource in template["Resources"].items() if resource["Type"] == "AWS::IAM::Role"}
    assumed = [
        policy.resource
        for policy in policies(template)
        if any(statement["Action"] == "sts:AssumeRole" for statement in policy.statements() if "Action" in statement)
    ]
    assert sorted(assumed) == sorted(roles)


def test_reading_a_template_leaves_it_as_it_is(template: Template) -> None:
    before = copy.deepcopy(template)
    readings(template)
    assert template == before


@pytest.mark.parametrize("pair", list(itertools.combinations("ABC", 2)))
def test_any_two_conditions_are_read_in_all_four_combinations(pair: tuple[str, str]) -> None:
    holds = {name: {"Fn::If": [name, True, False]} for name in "ABC"}
    read = readings({"Conditions": dict.fromkeys("ABC"), "Resources": {"One": {"Properties": holds}}})
    combinations = {tuple(reading["Resources"]["One"]["Properties"][name] for name in pair) for reading in read}
    assert combinations == set(itertools.product([True, False], repeat=2))


def test_a_resource_with_a_condition_is_always_read() -> None:
    conditional = {"Conditions": {"A": {}}, "Resources": {"One": {"Condition": "A", "Properties": {}}}}
    assert readings(conditional) == [{"Resources": {"One": {"Properties": {}}}}]


def test_a_template_without_conditions_is_read_once() -> None:
    assert readings({"Resources": {}}) == [{"Resources": {}}]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"Ref": "A"}, "<A>"),
        ({"Fn::GetAtt": ["A", "Arn"]}, "<A.Arn>"),
        ({"Fn::Sub": "${A.Arn}/${AWS::Region}"}, "<A.Arn>/<AWS::Region>"),
        ({"Fn::Sub": ["${own}/${B}", {"own": {"Ref": "A"}}]}, "<A>/<B>"),
        ({"Fn::Sub": "${!aws:username}"}, "${aws:username}"),
        ({"Fn::Select": [1, {"Fn::Split": ["/", {"Fn::Sub": "${A}/b"}]}]}, "b"),
    ],
)
def test_a_reference_is_written_out(value: Template, text: str) -> None:
    assert written_out({"Resource": [value]}, "<{}>".format) == {"Resource": [text]}


def test_a_function_that_cannot_be_written_out_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"Fn::ImportValue .* checks/intrinsics\.py"):
        written_out({"Resource": {"Fn::ImportValue": "A"}}, str)


def test_a_finding_without_a_reason_is_unexplained() -> None:
    other = Reason(BAD.tool, BAD.rule, "NotifyRole")
    assert reasons.unexplained([BAD], [other]) == [BAD]


@pytest.mark.parametrize("rule", ["AwsSolutions-IAM5[Resource::*]", "AwsSolutions-IAM5"])
@pytest.mark.parametrize("resource", ["DetectRole", "*", "?"])
def test_a_reason_is_found_by_the_rule_with_and_without_its_detail_and_by_the_resource(
    rule: str, resource: str
) -> None:
    assert reasons.unexplained([BAD], [Reason(BAD.tool, rule, resource)]) == []


def test_a_reason_for_another_detail_explains_nothing() -> None:
    other = Reason(BAD.tool, "AwsSolutions-IAM5[Action::s3:*]", BAD.resource)
    assert reasons.unexplained([BAD], [other]) == [BAD]


def test_a_reason_that_no_finding_needs_is_unneeded() -> None:
    needed, other, everywhere = [Reason("cdk-nag", rule, "*") for rule in ("AwsSolutions-IAM5", "Other", "AnyOther")]
    assert reasons.unneeded([BAD], [needed, other, everywhere]) == [other, everywhere]


def test_a_reason_for_a_finding_of_some_machines_may_be_unneeded() -> None:
    assert reasons.unneeded([], [Reason("cdk-nag", "AwsSolutions-L1", "?")]) == []


@pytest.mark.parametrize("nothing", ["", "' '", "null"])
def test_an_empty_reason_is_an_error(nothing: str) -> None:
    with pytest.raises(ValueError, match="cdk-nag: L1: Detect"):
        reasons.read(f"cdk-nag: {{L1: {{Detect: {nothing}}}}}")


def test_the_advice_has_the_lines_to_add() -> None:
    advice = reasons.advice([BAD], [])
    _, lines = advice.split("checks/reasons.yaml:\n")
    filled = lines.replace("null", "It must be.")
    assert reasons.unexplained([BAD], reasons.read(filled)) == []


def test_the_advice_has_the_lines_to_remove() -> None:
    old = Reason("cdk-nag", "AwsSolutions-S1", "WorkspaceBucket")
    advice = reasons.advice([], [old])
    _, unneeded = advice.split("checks/reasons.yaml:\n")
    assert reasons.read(unneeded.replace("null", "It was so.")) == [old]
