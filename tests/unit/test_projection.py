"""What Athena would say nothing of: a projection that is not about the partition columns, or not whole."""

from pathlib import Path

import pytest

from checks.ddl import is_ddl
from checks.projection import main, problems, read

PROJECT = Path(__file__).parents[2]
DDL = """
CREATE EXTERNAL TABLE predictions (label string)
PARTITIONED BY (dt string, area string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' WITH SERDEPROPERTIES ('projection.enabled' = 'false')
LOCATION 's3://bucket/predictions/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2020-01-01,NOW',
  'projection.dt.interval.unit' = 'DAYS',
  'projection.area.type' = 'enum',
  'projection.area.values' = 'north,south',
  'storage.location.template' = 's3://bucket/predictions/${dt}/${area}/'
)
"""


def found(old: str = "", new: str = "") -> list[str]:
    """The problems of the DDL with one thing changed."""
    assert old in DDL
    return list(problems(read(DDL.replace(old, new, 1) if old else DDL)))


def test_a_whole_projection_has_no_problem() -> None:
    assert found() == []


@pytest.mark.parametrize("file", sorted((PROJECT / "athena").glob("*.sql")), ids=lambda file: file.stem)
def test_each_ddl_of_ours_has_a_whole_projection(file: Path) -> None:
    assert main(str(file)) == 0


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("'true'", "'false'", "projection.enabled "),
        ("  'projection.enabled' = 'true',\n", "", "projection.enabled "),
        ("dt.type' = 'date'", "dt.type' = 'day'", "projection.dt.type "),
        ("  'projection.area.type' = 'enum',\n", "", "projection.area.type "),
        ("dt.format", "dt.form", "projection.dt.format "),
        ("dt.range", "dt.rnage", "projection.dt.range "),
        ("area.values", "area.value", "projection.area.values "),
        ("'enum'", "'integer'", "projection.area.range "),
        ("dt.interval.unit", "day.interval.unit", "projection.day.* "),
        ("${area}", "", "${area}"),
        ("${dt}/", "${dt}/${label}/", "names ${label}"),
        (
            "s3://bucket/predictions/$",
            "s3://bucket/predictions-of-old/$",
            "LOCATION 's3://bucket/predictions/'",
        ),
        (
            "'s3://bucket/predictions/'",
            "'s3://bucket/predict'",
            "LOCATION 's3://bucket/predict'",
        ),
        (
            "LOCATION 's3://bucket/predictions/'\n",
            "",
            "LOCATION ''",
        ),
    ],
)
def test_a_projection_that_is_not_whole_is_found(old: str, new: str, problem: str) -> None:
    (only,) = found(old, new)
    assert problem in only


def test_a_partition_column_that_is_not_projected_is_found_wherever_it_is_missing() -> None:
    kind, template = found("area string", "area string, farm string")
    assert "projection.farm.type " in kind
    assert "${farm}" in template


def test_a_location_needs_no_slash_at_its_end() -> None:
    assert found("'s3://bucket/predictions/'", "'s3://bucket/predictions'") == []


def test_an_injected_column_needs_its_type_alone() -> None:
    assert (
        found(
            "'projection.area.type' = 'enum',\n  'projection.area.values' = 'north,south'",
            "'projection.area.type' = 'injected'",
        )
        == []
    )


def test_without_a_template_athena_goes_by_the_names_of_the_columns() -> None:
    assert found(",\n  'storage.location.template' = 's3://bucket/predictions/${dt}/${area}/'") == []


def test_a_table_without_partitions_needs_no_projection() -> None:
    assert list(problems(read("CREATE EXTERNAL TABLE t (label string) LOCATION 's3://bucket/'"))) == []


def test_a_ddl_that_cannot_be_read_is_no_ddl_without_problems() -> None:
    with pytest.raises(ValueError, match="PARTITONED"):
        read(DDL.replace("PARTITIONED", "PARTITONED"))


def test_what_is_wrong_is_said_with_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ddl, query = tmp_path / "table.sql", tmp_path / "query.sql"
    ddl.write_text(DDL.replace("'true'", "'no'"))
    query.write_text("SELECT 1")
    assert main(str(query), str(ddl)) == 1
    assert capsys.readouterr().out.startswith(f"{ddl}: projection.enabled ")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE EXTERNAL TABLE t (a string)",
        "-- a ' comment\n\n/* and\nanother */ create external\n table t (a string)",
    ],
)
def test_a_ddl_begins_by_making_an_external_table_whatever_comments_say_before(sql: str) -> None:
    assert is_ddl(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 -- CREATE EXTERNAL TABLE t",
        "-- CREATE EXTERNAL TABLE t\nSELECT 1",
        "/* one */ SELECT 1 /* two */ CREATE EXTERNAL TABLE t",
        "CREATE EXTERNAL TABLES",
        "CREATE TABLE t (a varchar)",
        "",
    ],
)
def test_whatever_else_there_is_is_a_query(sql: str) -> None:
    assert not is_ddl(sql)
