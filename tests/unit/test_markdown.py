"""The check of Markdown pages: each finding is a sentence with the file and the line."""

from pathlib import Path

import pytest

from checks.markdown import main


def findings(folder: Path, capsys: pytest.CaptureFixture[str], **pages: str) -> list[str]:
    """The findings on pages at these paths, in which `__` is a slash."""
    for name, text in pages.items():
        file = folder / f"{name.replace('__', '/')}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    code = main(folder)
    found = capsys.readouterr().out.splitlines()
    assert bool(code) == (not found[0].startswith("Markdown: "))
    return found if code else []


@pytest.mark.parametrize(
    "link",
    [
        "[x](other.md)",
        "[x](other.md#two-words)",
        "[x](other.md#again-1)",
        "[x](other.md#the-code)",
        "[x](other.md#%C3%A4pfel)",
        "[x](#here)",
        "[x](../docs)",
        "[x][y]\n\n[y]: other.md",
        "![x](other.md)",
        "[x](https://example.com/nothing.md#nothing)",
        "[x](mailto:grower@example.com)",
        "`[x](nothing.md)`",
        "```\n[x](nothing.md)\n```",
    ],
)
def test_a_link_that_leads_somewhere_is_no_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], link: str
) -> None:
    other = "# Two words\n\n## Again\n\n## Again\n\n## The `code`\n\n## Äpfel\n"
    assert findings(tmp_path, capsys, docs__page=f"# Here\n\n{link}\n", docs__other=other) == []


@pytest.mark.parametrize(
    ("link", "named"),
    [
        ("[x](nothing.md)", "nothing.md"),
        ('<img alt="x" src="nothing.png">', "nothing.png"),
        ("x <a href='nothing.md'>y</a>", "nothing.md"),
        ("[x]()", "target"),
        ("[x](../../../../../../../../../etc/passwd)", "outside"),
        ("[x](other.md#nothing)", "#nothing"),
        ("[x](other.md#again-1)", "#again-1"),
        ("[x](#nothing)", "#nothing"),
        ("[x][y]\n\n[y]: nothing.md", "nothing.md"),
        ("![x](nothing.png)", "nothing.png"),
        ("| a |\n|---|\n| [x](nothing.md) |", "nothing.md"),
        ("- a\n- [x](nothing.md)", "nothing.md"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], link: str, named: str
) -> None:
    (finding,) = findings(tmp_path, capsys, page=f"# Here\n\n{link}\n", other="# Again\n")
    assert finding.startswith("page.md:")
    assert named in finding


def test_the_line_of_a_link_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (finding,) = findings(tmp_path, capsys, page="# Here\n\none\ntwo [x](nothing.md)\n")
    assert finding.startswith("page.md:4: ")


@pytest.mark.parametrize("name", ["README", "CONTRIBUTING", "docs__page", "docs__how-to__page"])
@pytest.mark.parametrize("text", ["word " * 21, "```\n" + "word " * 21 + "\n```", "| " + "word " * 21 + "|"])
def test_a_long_line_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str) -> None:
    (finding,) = findings(tmp_path, capsys, **{name: text})
    assert "at most 100" in finding


@pytest.mark.parametrize(
    ("name", "text"),
    [("docs__page", "x" * 100), ("docs__page", f"- <https://example.com/{'x' * 100}>"), ("CHANGELOG", "word " * 21)],
)
def test_a_line_that_may_be_long_is_no_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    assert findings(tmp_path, capsys, **{name: text}) == []


@pytest.mark.parametrize(
    ("text", "limit"),
    [("word\n" * 121, "at most 120"), ("word word word word word word word word\n" * 115, "at most 900")],
)
def test_a_long_readme_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, limit: str) -> None:
    (finding,) = findings(tmp_path, capsys, README=text)
    assert limit in finding


def test_a_long_runbook_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (finding,) = findings(tmp_path, capsys, docs__operations="line\n" * 151)
    assert "at most 150" in finding


@pytest.mark.parametrize("name", [".venv__page", "build__page", "checks__sql__node_modules__page"])
def test_pages_of_others_are_not_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert findings(tmp_path, capsys, **{name: "[x](nothing.md)"}) == []
