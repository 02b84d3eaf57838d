"""The classifier on real files: drawn leaves always, photographs of leaves where they lie beside the project."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from labelwatch.local.classifier import (
    Classifier,
    Evaluation,
    FolderError,
    evaluate,
    read_folder,
    split,
    train,
    train_cached,
)
from labelwatch.local.features import features
from labelwatch.local.leaves import LABELS, draw, draw_folder

PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "leaves"
DRAWN_EACH = 20

needs_photographs = pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason="no photographs of leaves beside the project")


def picture(values: object) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(values), 0, 255).astype(np.uint8)).convert("RGB")


def plain(colour: str) -> Image.Image:
    return Image.new("RGB", (200, 150), colour)


def text() -> Image.Image:
    page = plain("white")
    for line in range(8):
        ImageDraw.Draw(page).text((8, 8 + 17 * line), "Twelve boxes of paper, delivered", fill="black")
    return page


def rectangles() -> Image.Image:
    random = np.random.default_rng(3)
    canvas = plain("navy")
    for _ in range(12):
        x, y, width, height = (int(number) for number in random.integers(10, 120, 4))
        colour = tuple(int(part) for part in random.integers(0, 256, 3))
        ImageDraw.Draw(canvas).rectangle((x, y, x + width, y + height), fill=colour)
    return canvas


def strangers() -> dict[str, Image.Image]:
    """Return pictures that are no leaf, by name."""
    y, x = np.mgrid[:160, :160]
    random = np.random.default_rng(1)
    colours = ("black", "white", "grey", "red", "forestgreen", "olivedrab", "steelblue", "khaki", "saddlebrown")
    return {
        **{f"plain {colour}": plain(colour) for colour in colours},
        "noise": picture(random.uniform(0, 255, (160, 160, 3))),
        "grey noise": picture(random.uniform(0, 255, (160, 160))),
        "coarse noise": picture(random.uniform(0, 255, (10, 10, 3))).resize((160, 160), Image.Resampling.NEAREST),
        "grey gradient": picture(x * 1.5),
        "green gradient": picture(np.dstack([x * 0.4, 60 + x, x * 0.2])),
        "sky": picture(np.dstack([90 + y * 0.6, 150 + y * 0.5, 230 + y * 0.1])),
        "checkerboard": picture(255 * ((x // 20 + y // 20) % 2)),
        "green checkerboard": picture(np.where(((x // 20 + y // 20) % 2)[..., None], (90, 140, 40), (240, 235, 230))),
        "stripes": picture(255 * (x // 10 % 2)),
        "green stripes": picture(np.where((y // 10 % 2)[..., None], (60, 120, 30), (130, 170, 60))),
        "text": text(),
        "rectangles": rectangles(),
    }


def share_right(classifier: Classifier, pictures: list[tuple[str, Image.Image]]) -> float:
    answers = [(label, classifier.classify(image)) for label, image in pictures]
    return float(np.mean([bool(found) and found[0][0] == label for label, found in answers]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("leaves")
    draw_folder(place, DRAWN_EACH)
    return place


@pytest.fixture(scope="module")
def drawn(folder: Path) -> Classifier:
    return train(read_folder(folder))


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Return a folder of two labels with five small images each."""
    for label in ("healthy", "leaf-smut"):
        (tmp_path / "few" / label).mkdir(parents=True)
        for seed in range(5):
            draw(label, seed, 64).save(tmp_path / "few" / label / f"{seed}.png")
    return tmp_path / "few"


# Folders


def test_a_drawn_folder_has_so_many_readable_pictures_of_every_label(folder: Path) -> None:
    images = read_folder(folder)
    assert {label: len(paths) for label, paths in images.items()} == dict.fromkeys(LABELS, DRAWN_EACH)
    with Image.open(images["healthy"][0]) as image:
        assert image.size == (256, 256)


def test_other_seeds_draw_a_folder_of_other_pictures(tmp_path: Path) -> None:
    draw_folder(tmp_path / "a", 3, seed=0)
    draw_folder(tmp_path / "b", 3, seed=1)
    assert len({path.read_bytes() for path in tmp_path.rglob("*.jpg")}) == 2 * 3 * len(LABELS)


def test_labels_are_sub_folders_and_their_images_come_sorted(few: Path) -> None:
    assert read_folder(few) == {
        label: [few / label / f"{number}.png" for number in range(5)] for label in ("healthy", "leaf-smut")
    }


def test_files_that_are_no_images_are_passed_over(few: Path) -> None:
    for name in (".DS_Store", "README", "README.md", "notes.txt", "._0.png", "Thumbs.db"):
        (few / "healthy" / name).write_text("not an image")
        (few / name).write_text("not an image")
    (few / ".hidden").mkdir()
    (few / "healthy" / "0.png").rename(few / "healthy" / "0.PNG")
    images = read_folder(few)
    assert list(images) == ["healthy", "leaf-smut"]
    assert [path.name for path in images["healthy"]] == ["0.PNG", "1.png", "2.png", "3.png", "4.png"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"nowhere is not a folder: name one with a sub-folder"):
        read_folder(tmp_path / "nowhere")


def test_a_folder_without_sub_folders_is_told_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"must have a sub-folder .* and has none"):
        read_folder(tmp_path)


def test_a_single_label_is_not_enough(few: Path) -> None:
    (few / "leaf-smut").rename(few / ".leaf-smut")
    with pytest.raises(FolderError, match=r"two labels or more, and has only healthy"):
        read_folder(few)


def test_a_label_with_too_few_images_is_named_with_their_number(few: Path) -> None:
    (few / "healthy" / "0.png").unlink()
    with pytest.raises(FolderError, match=r"healthy has 4 images: a label needs 5 or more"):
        read_folder(few)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"])
def test_an_unreadable_image_is_named(few: Path, content: bytes) -> None:
    (few / "leaf-smut" / "3.png").write_bytes(content)
    with pytest.raises(FolderError, match=r"3\.png cannot be read as an image"):
        train(read_folder(few))


def test_half_an_image_is_named(few: Path) -> None:
    whole = (few / "leaf-smut" / "3.png").read_bytes()
    (few / "leaf-smut" / "3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FolderError, match=r"3\.png cannot be read as an image"):
        train(read_folder(few))


def test_training_without_two_labels_is_refused(few: Path) -> None:
    with pytest.raises(FolderError, match="two labels or more"):
        train({"healthy": read_folder(few)["healthy"]})


# Features


def test_features_are_the_same_each_time_and_finite() -> None:
    image = draw("brown-spot", 4)
    assert np.array_equal(features(image), features(image.copy()))
    assert np.isfinite(features(image)).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (400, 3), (90, 120)])
def test_every_kind_and_shape_of_image_gives_as_many_finite_numbers(mode: str, size: tuple[int, int]) -> None:
    vector = features(Image.new(mode, size))
    assert vector.shape == features(draw("healthy", 0)).shape
    assert np.isfinite(vector).all()


def test_a_picture_lying_on_its_side_is_turned_upright_first() -> None:
    image = draw("leaf-smut", 2).crop((0, 0, 256, 160))
    sideways = image.transpose(Image.Transpose.ROTATE_90)
    exif = sideways.getexif()
    exif[0x0112] = 6
    assert np.array_equal(features(sideways), features(image))


# Training and classifying


def test_a_progress_bar_hears_of_every_image(few: Path) -> None:
    heard: list[None] = []
    train(read_folder(few), lambda: heard.append(None))
    assert len(heard) == 10


def test_leaves_never_seen_get_their_label(drawn: Classifier) -> None:
    unseen = [(label, draw(label, 500_000 + seed)) for label in LABELS for seed in range(10)]
    assert share_right(drawn, unseen) >= 0.95


def test_a_leaf_of_another_size_gets_its_label_too(drawn: Classifier) -> None:
    unseen = [(label, draw(label, 600_000 + seed, 400)) for label in LABELS for seed in range(3)]
    assert share_right(drawn, unseen) >= 0.8


def test_every_label_comes_with_its_confidence_and_the_highest_first(drawn: Classifier) -> None:
    found = drawn.classify(draw("leaf-smut", 500_000))
    confidences = [confidence for _, confidence in found]
    assert {label for label, _ in found} == set(drawn.labels) == set(LABELS)
    assert confidences == sorted(confidences, reverse=True)
    assert sum(confidences) == pytest.approx(100)
    assert confidences[0] > 60


@pytest.mark.parametrize("name", list(strangers()))
def test_a_picture_that_is_no_leaf_gets_no_label(drawn: Classifier, name: str) -> None:
    assert drawn.classify(strangers()[name]) == []


def test_the_same_images_in_every_label_twice_over_still_admit_new_ones(few: Path) -> None:
    images = read_folder(few)
    classifier = train({label: [*paths, *paths] for label, paths in images.items()})
    assert classifier.classify(draw("healthy", 0, 64))
    assert classifier.classify(plain("grey")) == []
    assert sum(bool(classifier.classify(draw("healthy", seed, 64))) for seed in range(50, 60)) >= 5


# The cache


def counted(images: dict[str, list[Path]], cache: Path) -> tuple[int, Classifier]:
    read: list[None] = []
    classifier = train_cached(images, cache, lambda: read.append(None))
    return len(read), classifier


def test_the_same_images_are_learned_once(few: Path, tmp_path: Path) -> None:
    images = read_folder(few)
    first, trained = counted(images, tmp_path / "cache")
    again, loaded = counted(images, tmp_path / "cache")
    image = draw("healthy", 0, 64)
    assert (first, again) == (10, 0)
    assert loaded.classify(image) == trained.classify(image) != []


def repaint(images: dict[str, list[Path]]) -> dict[str, list[Path]]:
    draw("healthy", 99, 64).save(images["healthy"][0])
    return images


def rename(images: dict[str, list[Path]]) -> dict[str, list[Path]]:
    return {label.upper(): paths for label, paths in images.items()}


def move(images: dict[str, list[Path]]) -> dict[str, list[Path]]:
    return {**images, "leaf-smut": [*images["leaf-smut"], images["healthy"][0]]}


@pytest.mark.parametrize("change", [repaint, rename, move])
def test_another_image_or_label_is_learned_anew(
    few: Path,
    tmp_path: Path,
    change: Callable[[dict[str, list[Path]]], dict[str, list[Path]]],
) -> None:
    images = read_folder(few)
    train_cached(images, tmp_path / "cache")
    read, classifier = counted(change(images), tmp_path / "cache")
    assert read >= 10
    assert set(classifier.labels) == set(change(images))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x05]\x94."])
def test_a_damaged_cache_is_made_again(few: Path, tmp_path: Path, content: bytes) -> None:
    images = read_folder(few)
    train_cached(images, tmp_path / "cache")
    [path] = (tmp_path / "cache").iterdir()
    path.write_bytes(content)
    assert counted(images, tmp_path / "cache")[0] == 10
    assert counted(images, tmp_path / "cache")[0] == 0
    assert list((tmp_path / "cache").iterdir()) == [path]


# Measuring


def test_a_split_deals_every_image_once_and_the_same_way_for_a_seed() -> None:
    images = {"a": list(range(50)), "b": list(range(100, 110))}
    training, trying = split(images, 30, 1)
    assert {label: (len(training[label]), len(trying[label])) for label in images} == {"a": (30, 20), "b": (6, 4)}
    assert {label: sorted(training[label] + trying[label]) for label in images} == images
    assert split(images, 30, 1) == (training, trying)
    assert split(images, 30, 2) != (training, trying)


def test_an_evaluation_states_mean_and_spread() -> None:
    result = Evaluation((0.8, 1.0), turned_away=0.0, trained=6, tried=4)
    assert result.mean == pytest.approx(0.9)
    assert result.spread == pytest.approx(0.1)


def test_an_evaluation_reads_each_image_once_and_tells_of_every_split(few: Path) -> None:
    splits: list[None] = []
    images: list[None] = []
    result = evaluate(read_folder(few), 3, 4, lambda: splits.append(None), lambda: images.append(None))
    assert (len(splits), len(images), len(result.accuracies)) == (3, 10, 3)
    assert (result.trained, result.tried) == (6, 4)


def test_a_picture_turned_away_counts_as_wrong(few: Path) -> None:
    text().save(few / "healthy" / "9.png")
    with_text = evaluate(read_folder(few), splits=8, each=3)
    assert with_text.turned_away > 0
    assert with_text.mean <= 1 - with_text.turned_away


@needs_photographs
def test_photographs_of_leaves_never_seen_get_their_label_and_few_are_turned_away() -> None:
    result = evaluate(read_folder(PHOTOGRAPHS), splits=5, each=30)
    assert (result.trained, result.tried) == (90, 60)
    assert result.mean >= 0.9
    assert result.turned_away <= 0.03


@needs_photographs
def test_what_is_no_leaf_gets_no_label_after_training_on_photographs() -> None:
    images = {label: paths[:20] for label, paths in read_folder(PHOTOGRAPHS).items()}
    classifier = train(images)
    assert [name for name, image in strangers().items() if classifier.classify(image)] == []
