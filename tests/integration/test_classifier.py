"""The classifier on real files: drawn leaves always, photographs of leaves where they lie beside the project."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from labelwatch.local.classifier import (
    Classifier,
    FolderError,
    Vector,
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


def other_pictures() -> dict[str, Image.Image]:
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
    leaves = tmp_path_factory.mktemp("leaves")
    draw_folder(leaves, DRAWN_EACH)
    return leaves


@pytest.fixture(scope="module")
def drawn(folder: Path) -> Classifier:
    return train(read_folder(folder))


@pytest.fixture
def small_folder(tmp_path: Path) -> Path:
    """Return a folder of two labels with five small images each."""
    for label in ("healthy", "leaf-smut"):
        (tmp_path / "leaves" / label).mkdir(parents=True)
        for seed in range(5):
            draw(label, seed, 64).save(tmp_path / "leaves" / label / f"{seed}.png")
    return tmp_path / "leaves"


# Folders


def test_a_drawn_folder_has_the_requested_number_of_pictures_of_every_label(folder: Path) -> None:
    images = read_folder(folder)
    assert {label: len(paths) for label, paths in images.items()} == dict.fromkeys(LABELS, DRAWN_EACH)
    with Image.open(images["healthy"][0]) as image:
        assert image.size == (256, 256)


def test_other_seeds_draw_a_folder_of_other_pictures(tmp_path: Path) -> None:
    draw_folder(tmp_path / "a", 3, seed=0)
    draw_folder(tmp_path / "b", 3, seed=1)
    assert len({path.read_bytes() for path in tmp_path.rglob("*.jpg")}) == 2 * 3 * len(LABELS)


def test_labels_are_sub_folders_and_their_images_come_sorted(small_folder: Path) -> None:
    assert read_folder(small_folder) == {
        label: [small_folder / label / f"{number}.png" for number in range(5)] for label in ("healthy", "leaf-smut")
    }


def test_files_that_are_no_images_are_skipped(small_folder: Path) -> None:
    for name in (".DS_Store", "README", "README.md", "notes.txt", "._0.png", "Thumbs.db"):
        (small_folder / "healthy" / name).write_text("not an image")
        (small_folder / name).write_text("not an image")
    (small_folder / ".hidden").mkdir()
    (small_folder / "healthy" / "0.png").rename(small_folder / "healthy" / "0.PNG")
    images = read_folder(small_folder)
    assert list(images) == ["healthy", "leaf-smut"]
    assert [path.name for path in images["healthy"]] == ["0.PNG", "1.png", "2.png", "3.png", "4.png"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="nowhere is not a folder"):
        read_folder(tmp_path / "nowhere")


def test_a_folder_without_sub_folders_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="no sub-folder"):
        read_folder(tmp_path)


def test_a_single_label_is_not_enough(small_folder: Path) -> None:
    (small_folder / "leaf-smut").rename(small_folder / ".leaf-smut")
    with pytest.raises(FolderError, match="only the sub-folder healthy"):
        read_folder(small_folder)


def test_a_label_with_too_few_images_is_named_with_their_number(small_folder: Path) -> None:
    (small_folder / "healthy" / "0.png").unlink()
    with pytest.raises(FolderError, match=r"healthy has 4 images .* at least 5"):
        read_folder(small_folder)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"])
def test_an_unreadable_image_is_named(small_folder: Path, content: bytes) -> None:
    (small_folder / "leaf-smut" / "3.png").write_bytes(content)
    with pytest.raises(FolderError, match=r"3\.png"):
        train(read_folder(small_folder))


def test_half_an_image_is_named(small_folder: Path) -> None:
    whole = (small_folder / "leaf-smut" / "3.png").read_bytes()
    (small_folder / "leaf-smut" / "3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FolderError, match=r"3\.png"):
        train(read_folder(small_folder))


def test_training_without_two_labels_is_refused(small_folder: Path) -> None:
    with pytest.raises(FolderError, match="two labels"):
        train({"healthy": read_folder(small_folder)["healthy"]})


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


def test_the_callback_is_called_for_every_image(small_folder: Path) -> None:
    calls: list[None] = []
    train(read_folder(small_folder), lambda: calls.append(None))
    assert len(calls) == 10


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


@pytest.mark.parametrize("name", list(other_pictures()))
def test_a_picture_that_is_no_leaf_gets_no_label(drawn: Classifier, name: str) -> None:
    assert drawn.classify(other_pictures()[name]) == []


def test_duplicate_images_leave_room_for_new_ones(small_folder: Path) -> None:
    images = read_folder(small_folder)
    classifier = train({label: [*paths, *paths] for label, paths in images.items()})
    assert classifier.classify(draw("healthy", 0, 64))
    assert classifier.classify(plain("grey")) == []
    assert sum(bool(classifier.classify(draw("healthy", seed, 64))) for seed in range(50, 60)) >= 5


# The cache


def train_and_count(images: dict[str, list[Path]], cache: Path) -> tuple[int, Classifier]:
    read: list[None] = []
    classifier = train_cached(images, cache, lambda: read.append(None))
    return len(read), classifier


def test_the_same_images_are_learned_once(small_folder: Path, tmp_path: Path) -> None:
    images = read_folder(small_folder)
    first, trained = train_and_count(images, tmp_path / "cache")
    second, loaded = train_and_count(images, tmp_path / "cache")
    image = draw("healthy", 0, 64)
    assert (first, second) == (10, 0)
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
    small_folder: Path,
    tmp_path: Path,
    change: Callable[[dict[str, list[Path]]], dict[str, list[Path]]],
) -> None:
    images = read_folder(small_folder)
    train_cached(images, tmp_path / "cache")
    read, classifier = train_and_count(change(images), tmp_path / "cache")
    assert read >= 10
    assert set(classifier.labels) == set(change(images))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x05]\x94."])
def test_a_damaged_cache_is_written_anew(small_folder: Path, tmp_path: Path, content: bytes) -> None:
    images = read_folder(small_folder)
    train_cached(images, tmp_path / "cache")
    [path] = (tmp_path / "cache").iterdir()
    path.write_bytes(content)
    assert train_and_count(images, tmp_path / "cache")[0] == 10
    assert train_and_count(images, tmp_path / "cache")[0] == 0
    assert list((tmp_path / "cache").iterdir()) == [path]


# Accuracy


def test_a_split_has_every_image_once_and_is_the_same_for_a_seed() -> None:
    images = {"a": list(range(50)), "b": list(range(100, 110))}
    training, test = split(images, 30, 1)
    assert {label: (len(training[label]), len(test[label])) for label in images} == {"a": (30, 20), "b": (6, 4)}
    assert {label: sorted(training[label] + test[label]) for label in images} == images
    assert split(images, 30, 1) == (training, test)
    assert split(images, 30, 2) != (training, test)


@needs_photographs
def test_photographs_of_leaves_never_seen_get_their_label_and_few_get_none() -> None:
    vectors = {label: list(map(features_of, paths)) for label, paths in read_folder(PHOTOGRAPHS).items()}
    correct: list[bool] = []
    without_label: list[bool] = []
    for seed in range(5):
        training, test = split(vectors, 30, seed)
        classifier = Classifier(training)
        answers = [(label, classifier.classify_vector(vector)) for label in test for vector in test[label]]
        assert (sum(map(len, training.values())), len(answers)) == (90, 60)
        correct += [bool(found) and found[0][0] == label for label, found in answers]
        without_label += [not found for _, found in answers]
    assert np.mean(correct) >= 0.9
    assert np.mean(without_label) <= 0.03


def features_of(path: Path) -> Vector:
    with Image.open(path) as image:
        return features(image)


@needs_photographs
def test_other_pictures_get_no_label_after_training_on_photographs() -> None:
    images = {label: paths[:20] for label, paths in read_folder(PHOTOGRAPHS).items()}
    classifier = train(images)
    assert [name for name, image in other_pictures().items() if classifier.classify(image)] == []
