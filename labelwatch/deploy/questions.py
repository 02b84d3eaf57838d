"""The question for the model, with the account's models to choose from."""

from functools import cache

from botocore.exceptions import BotoCoreError, ClientError

from labelwatch.deploy.parameters import Ask
from labelwatch.deploy.preflight import USABLE
from labelwatch.shared.account import Account


def with_models(account: Account, ask: Ask) -> Ask:
    """The same questions; that for CustomModelARN lists the models that can run, and accepts a model's number."""

    @cache
    def models() -> dict[str, str]:
        return _usable_models(account)

    def asking(name: str, text: str, default: str) -> str:
        if name != "CustomModelARN" or not models():
            return ask(name, text, default)
        by_number = {str(number): arn for number, arn in enumerate(models(), 1)}
        lines = [f"  {number}. {arn} ({models()[arn]})" for number, arn in by_number.items()]
        listed = "\n".join([text, f"Models in {account.region}. Enter a number, an ARN or general.", *lines])
        answer = ask(name, listed, default)
        return by_number.get(answer, answer)

    return asking


def _usable_models(account: Account) -> dict[str, str]:
    """The status of each model version that can run, by its ARN; none where the models may not be listed."""
    client = account.client("rekognition")
    try:
        projects = [
            project["ProjectArn"]
            for page in client.get_paginator("describe_projects").paginate()
            for project in page["ProjectDescriptions"]
        ]
        return {
            version["ProjectVersionArn"]: version["Status"]
            for project in projects
            for page in client.get_paginator("describe_project_versions").paginate(ProjectArn=project)
            for version in page["ProjectVersionDescriptions"]
            if version["Status"] in USABLE
        }
    except (ClientError, BotoCoreError):
        return {}
