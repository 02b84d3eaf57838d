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


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1", "il-central-1", "us-gov-west-1"])
def test_a_region_with_rekognition_is_accepted(region: str) -> None:
    regions.require_rekognition(region)


def test_a_broken_setting_of_the_user_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    regions.require_rekognition("eu-central-1")


def test_the_regions_are_those_of_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    session = boto3.Session()
    known = {
        service: {
            region
            for partition in session.get_available_partitions()
            for region in session.get_available_regions(service, partition)
        }
        for service in ("lambda", "rekognition")
    }
    assert regions.without_rekognition() == known["lambda"] - known["rekognition"]


def test_a_region_that_boto3_does_not_know_is_accepted() -> None:
    regions.require_rekognition("eu-west-99")
