"""The checks of the template without the tools that they ask: what is bad is found, what is found wants a reason."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checks import reasons, wildcards
from checks.arns import plausible
from checks.intrinsics import readings, written_out
from checks.policies import TRUST, policies
from checks.reasons import Finding, Reason
from labelwatch.deploy.package import load_template

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
    """What is there only while one condition holds and another one does not."""
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
def test_a_wide_statement_added_to_the_template_is_found_and_has_no_reason(
    template: Template,
    policy: Callable[[Template], list[Template]],
    bad: Template,
    resource: str,
    rule: str,
) -> None:
    before = set(wildcards.findings(template))
    policy(template).append(bad)
    found = set(wildcards.findings(template)) - before
    assert [(one.resource, one.rule) for one in reasons.unexplained(found, written())] == [(resource, rule)]


def test_a_statement_with_everything_named_is_not_found(template: Template) -> None:
    before = set(wildcards.findings(template))
    role_policy(template).append(allow(Action="sqs:SendMessage", Resource=QUEUE))
    queue_policy(template).append(allow(Principal={"AWS": "123456789012"}, Action="sqs:SendMessage", Resource=QUEUE))
    assert set(wildcards.findings(template)) == before


def test_a_role_that_anyone_may_take_is_found(template: Template) -> None:
    before = set(wildcards.findings(template))
    (statement,) = template["Resources"]["DetectRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    statement["Principal"] = {"AWS": "*"}
    (found,) = set(wildcards.findings(template)) - before
    assert (found.resource, found.rule) == ("DetectRole", "Allow sts:AssumeRole to anyone on itself")


def test_denying_what_comes_without_tls_is_one_rule_for_all(template: Template) -> None:
    denied = [one for one in wildcards.findings(template) if one.rule == "Deny what comes without TLS"]
    assert {"InputBucketPolicy", "ImagesQueuePolicy"} <= {one.resource for one in denied}


def test_each_role_has_its_trust_policy_read(template: Template) -> None:
    roles = {name for name, one in template["Resources"].items() if one["Type"] == "AWS::IAM::Role"}
    assert {one.resource for one in policies(template) if one.kind == TRUST} == roles


def test_reading_a_template_leaves_it_as_it_is(template: Template) -> None:
    before = copy.deepcopy(template)
    readings(template)
    assert template == before


@pytest.mark.parametrize("pair", list(itertools.combinations("ABC", 2)))
def test_any_two_conditions_meet_in_all_four_ways(pair: tuple[str, str]) -> None:
    holds = {name: {"Fn::If": [name, True, False]} for name in "ABC"}
    read = readings({"Conditions": dict.fromkeys("ABC"), "Resources": {"One": {"Properties": holds}}})
    met = {tuple(one["Resources"]["One"]["Properties"][name] for name in pair) for one in read}
    assert met == set(itertools.product([True, False], repeat=2))


def test_a_resource_that_hangs_on_a_condition_is_always_read() -> None:
    hanging = {"Conditions": {"A": {}}, "Resources": {"One": {"Condition": "A", "Properties": {}}}}
    assert readings(hanging) == [{"Resources": {"One": {"Properties": {}}}}]


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


def test_a_reference_without_a_plausible_arn_is_an_error(template: Template) -> None:
    with pytest.raises(ValueError, match=r"Workgroup\.Arn .* checks/arns\.py"):
        plausible(template)("Workgroup.Arn")


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


def test_a_reason_for_what_comes_and_goes_may_wait() -> None:
    assert reasons.unneeded([], [Reason("cdk-nag", "AwsSolutions-L1", "?")]) == []


@pytest.mark.parametrize("nothing", ["", "' '", "null"])
def test_a_reason_that_says_nothing_is_an_error(nothing: str) -> None:
    with pytest.raises(ValueError, match="no reason for cdk-nag: L1: Detect"):
        reasons.read(f"cdk-nag: {{L1: {{Detect: {nothing}}}}}")


def test_the_advice_is_what_to_write_into_the_file() -> None:
    advice = reasons.advice([BAD], [])
    _, wanted = advice.split("checks/reasons.yaml:\n")
    filled = wanted.replace("null", "It must be.")
    assert reasons.unexplained([BAD], reasons.read(filled)) == []


def test_the_advice_names_what_to_take_out() -> None:
    old = Reason("cdk-nag", "AwsSolutions-S1", "WorkspaceBucket")
    advice = reasons.advice([], [old])
    _, unneeded = advice.split("checks/reasons.yaml:\n")
    assert reasons.read(unneeded.replace("null", "It was so.")) == [old]
