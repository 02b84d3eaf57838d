"""The Regions without Rekognition, by the endpoints that boto3 knows."""

import boto3

from labelwatch.shared.errors import UserError


def without_rekognition() -> set[str]:
    """The Regions that have Lambda, as every Region has, and not Rekognition; a Region that boto3 lacks is not here."""
    return _with("lambda") - _with("rekognition")


def require_rekognition(region: str) -> None:
    """Raises UserError where the Region is known to have no Rekognition."""
    if region in without_rekognition():
        others = ", ".join(sorted(boto3.Session().get_available_regions("rekognition")))
        raise UserError(
            f"Amazon Rekognition does not exist in {region}, so no image can be analysed. Pass --region with another "
            f"Region: {others}."
        )


def _with(service: str) -> set[str]:
    session = boto3.Session()
    partitions = session.get_available_partitions()
    return {region for partition in partitions for region in session.get_available_regions(service, partition)}
