"""The Regions without Rekognition, by the endpoints that boto3 knows: no call, and no setting of the user counts."""

from botocore.loaders import create_loader
from botocore.regions import EndpointResolver

from labelwatch.shared.errors import UserError


def without_rekognition() -> set[str]:
    """The Regions that have Lambda, as every Region has, and not Rekognition; a Region that boto3 lacks is not here."""
    return _with("lambda") - _with("rekognition")


def require_rekognition(region: str) -> None:
    """Raises UserError where the Region is known to have no Rekognition."""
    if region in without_rekognition():
        others = ", ".join(sorted(_with("rekognition")))
        raise UserError(
            f"Amazon Rekognition does not exist in {region}, so no image can be analysed. Pass --region with another "
            f"Region: {others}."
        )


def _with(service: str) -> set[str]:
    endpoints = EndpointResolver(create_loader().load_data("endpoints"))
    partitions = endpoints.get_available_partitions()
    return {region for partition in partitions for region in endpoints.get_available_endpoints(service, partition)}
