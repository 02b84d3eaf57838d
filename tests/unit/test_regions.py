"""The Regions without Rekognition."""

import boto3
import pytest

from labelwatch.shared import regions
from labelwatch.shared.errors import UserError


@pytest.mark.parametrize("region", ["eu-west-3", "eu-north-1", "cn-north-1", "us-gov-east-1"])
def test_a_region_without_rekognition_is_refused_with_the_regions_that_have_it(region: str) -> None:
    with pytest.raises(UserError) as refusal:
        regions.require_rekognition(region)
    assert region in str(refusal.value)
    assert "eu-central-1" in str(refusal.value)


@pytest.mark.parametrize("region", [*boto3.Session().get_available_regions("rekognition"), "us-gov-west-1"])
def test_a_region_with_rekognition_is_accepted(region: str) -> None:
    regions.require_rekognition(region)


def test_a_region_that_boto3_does_not_know_is_accepted() -> None:
    regions.require_rekognition("eu-west-99")
