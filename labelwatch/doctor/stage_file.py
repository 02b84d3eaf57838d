"""The check of Chalice's file of the stage: after a deployment that stopped, it lacks what exists."""

from collections.abc import Iterator

from labelwatch.deploy import deployed_file, stage
from labelwatch.doctor.check import Outcome, failed, passed, warned
from labelwatch.doctor.deployment import Deployment
from labelwatch.shared.text import counted


def check_stage_file(deployment: Deployment) -> Iterator[Outcome]:
    """Whether .chalice/deployed/STAGE.json has all resources that exist; only where this clone has the stage."""
    name = deployment.name.removeprefix("labelwatch-")
    if "RestAPIId" in deployment.values or not stage.region_and_account(deployment.config, name):
        return
    file = deployed_file.path_of(deployment.config, name)
    comparison = deployed_file.read_and_compare(deployment, deployment.name, deployment.values, file)
    for line in comparison.deletions:
        yield warned(line)
    if comparison.matches:
        yield passed(f"{counted(len(comparison.rebuilt), 'resource')} in .chalice/deployed/{file.name}.")
    else:
        first, *others = comparison.lines()
        more = f", and {counted(len(others), 'more difference')}" if others else ""
        yield failed(
            f".chalice/deployed/{file.name} does not match the account: {first}{more}. `chalice deploy` would fail or "
            "create duplicates.",
            f"Run `labelwatch up --stage {name}`, which offers to rebuild the file, then `chalice deploy`.",
        )
