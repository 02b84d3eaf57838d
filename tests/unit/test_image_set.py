"""The images that the local model learns from, and those that are uploaded."""

from pathlib import Path

import pytest

from labelwatch.local.image_set import choose, validated
from labelwatch.shared.errors import UserError


def images(**counts: int) -> dict[str, list[Path]]:
    return {label: [Path(label, f"{number}.jpg") for number in range(count)] for label, count in counts.items()}


def test_all_images_are_used_while_there_are_few() -> None:
    chosen = choose(images(rust=50, smut=10))
    assert (chosen.training_count, chosen.upload_count, chosen.unused) == (30 + 6, 20 + 4, 0)


def test_no_image_is_both_learned_and_uploaded() -> None:
    chosen = choose(images(rust=50))
    assert sorted(chosen.training["rust"] + chosen.uploads["rust"]) == sorted(images(rust=50)["rust"])


def test_of_many_images_the_rest_is_counted_and_its_limits_are_named() -> None:
    chosen = choose(images(rust=60, smut=1050))
    assert (chosen.training_count, chosen.upload_count, chosen.unused) == (60, 40, 1010)
    for number in ("60 images", "40 other", "1,010", "at most 30", "20 uploaded"):
        assert number in chosen.summary


def test_images_in_the_folder_that_a_start_empties_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="inside"):
        validated(tmp_path / "demo" / "mine", tmp_path / "demo")
