"""Runs of `labelwatch demo` and `labelwatch local up` that are refused before anything is changed."""

import socket
from pathlib import Path

import pytest

from labelwatch.commands.options import console
from labelwatch.local import demo, up
from labelwatch.local.folder import exclusive
from labelwatch.shared.errors import UserError


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"Port {port} is in use.*--port"):
            up.run(None, tmp_path / "up", tmp_path, port, "", console())


@pytest.mark.parametrize("images", ["misspelt", "demo"])
def test_a_wrong_folder_of_images_keeps_the_last_result(tmp_path: Path, images: str) -> None:
    kept = tmp_path / "demo" / "report.html"
    kept.parent.mkdir()
    kept.touch()
    with pytest.raises(UserError, match=images):
        demo.run(tmp_path / images, tmp_path / "demo", tmp_path, console())
    assert kept.exists()


def test_a_folder_takes_one_run_at_a_time(tmp_path: Path) -> None:
    with exclusive(tmp_path / "demo"):
        kept = tmp_path / "demo" / "report.html"
        kept.parent.mkdir()
        kept.touch()
        with pytest.raises(UserError, match="LABELWATCH_BUILD"), exclusive(tmp_path / "demo"):
            pass
        assert kept.exists()


def test_a_run_empties_its_folder_and_no_other(tmp_path: Path) -> None:
    with exclusive(tmp_path / "demo"):
        pass
    for name in ("demo", "up"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").touch()
    with exclusive(tmp_path / "demo"):
        assert not (tmp_path / "demo" / "old").exists()
    assert (tmp_path / "up" / "old").exists()


def test_a_folder_with_files_of_another_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").touch()
    for _ in range(2):  # the refusal leaves nothing behind that allows the next run
        with pytest.raises(UserError, match="LABELWATCH_BUILD"), exclusive(tmp_path / "demo"):
            pass
    assert (tmp_path / "demo" / "thesis.txt").exists()
