"""parliament's opinion, with that of its community's auditors, on every policy document."""

import json
from collections.abc import Iterator
from typing import Any

import parliament

from checks.arns import plausible, role
from checks.intrinsics import Template, readings, written_out
from checks.policies import TRUST, Policy, policies
from checks.reasons import Finding

TOOL = "parliament"


def findings(template: Template) -> Iterator[Finding]:
    """What parliament finds, its rules named with the kind of the policy: they mean another thing in each."""
    name = plausible(template)
    for reading in readings(template):
        for policy in policies(reading):
            document = json.dumps(written_out(_as_parliament_takes_it(policy), name))
            for found in parliament.analyze_policy_string(document, include_community_auditors=True).findings:
                words = str(found.detail or {key: one for key, one in found.location.items() if one})
                yield Finding(TOOL, f"{found.issue} in a {policy.kind}", policy.resource, words)


def _as_parliament_takes_it(policy: Policy) -> dict[str, Any]:
    """A trust policy's statements name no resource, and parliament wants one: it is the role itself that is meant."""
    if policy.kind != TRUST:
        return policy.document
    itself = {"Resource": role(policy.resource)}
    return policy.document | {"Statement": [one | itself for one in policy.statements()]}
