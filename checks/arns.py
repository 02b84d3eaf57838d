"""What references in policies come to: plausible names and ARNs, for a tool that reads nothing else."""

from collections.abc import Callable

from checks.intrinsics import Template

ACCOUNT = "123456789012"
REGION = "us-east-1"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "labelwatch",
}
PARAMETERS = {
    "CustomModelARN": f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/leaves/version/leaves.2026/1780000000000",
}
# By type and attribute; a type alone is what Ref gives.
ARNS = {
    "AWS::Athena::WorkGroup": "{}",
    "AWS::DynamoDB::Table.Arn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{}}",
    "AWS::Glue::Database": "{}",
    "AWS::Logs::LogGroup.Arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*",
    "AWS::S3::Bucket.Arn": "arn:aws:s3:::{}",
    "AWS::SNS::Topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:{{}}",
    "AWS::SQS::Queue.Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{}}",
}


def role(name: str) -> str:
    """The ARN of a role."""
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def plausible(template: Template) -> Callable[[str], str]:
    """Says what `LogicalId` or `LogicalId.Attribute` comes to; raises ValueError where it cannot know."""

    def value(reference: str) -> str:
        if reference in PSEUDO:
            return PSEUDO[reference]
        if reference in template.get("Parameters", {}):
            return PARAMETERS.get(reference, reference.lower())
        name, dot, attribute = reference.partition(".")
        kind = f"{template['Resources'][name]['Type']}{dot}{attribute}"
        if kind not in ARNS:
            raise ValueError(f"{reference} stands in a policy; write in checks/arns.py what a {kind} looks like.")
        return ARNS[kind].format(name.lower())

    return value
