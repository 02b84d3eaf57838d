"""The definition of the dashboard: what it draws, and that a copy with a name that refers to nothing is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from string import Template
from typing import Any

import pytest

from labelwatch.analytics import FOLDER, Definition, load_definition
from labelwatch.quicksight import checks
from labelwatch.shared.errors import UserError

type Break = Callable[[Definition], None]

VISUALS = {
    "labels_by_count": "PieChartVisual",
    "labels_by_day": "BarChartVisual",
    "confidence_by_label": "BarChartVisual",
    "newest_predictions": "TableVisual",
}


@pytest.fixture
def document() -> Definition:
    return load_definition()


def sheet(definition: Definition) -> dict[str, Any]:
    (only,) = definition["Sheets"]
    return only  # type: ignore[no-any-return]


def visuals(definition: Definition) -> dict[str, tuple[str, dict[str, Any]]]:
    """The kind and the content of each visual, by its id, in their order."""
    return {body["VisualId"]: (kind, body) for visual in sheet(definition)["Visuals"] for kind, body in visual.items()}


def wells(definition: Definition, visual: str) -> dict[str, Any]:
    (field_wells,) = visuals(definition)[visual][1]["ChartConfiguration"]["FieldWells"].values()
    return field_wells  # type: ignore[no-any-return]


def filters(definition: Definition) -> dict[str, dict[str, Any]]:
    return {
        kind: body
        for group in definition["FilterGroups"]
        for kind_and_body in group["Filters"]
        for kind, body in kind_and_body.items()
    }


def scope(definition: Definition, group: str) -> dict[str, Any]:
    (filter_group,) = [body for body in definition["FilterGroups"] if body["FilterGroupId"] == group]
    (only,) = filter_group["ScopeConfiguration"]["SelectedSheets"]["SheetVisualScopingConfigurations"]
    return only  # type: ignore[no-any-return]


def elements(definition: Definition, layouts: str) -> list[dict[str, Any]]:
    (layout,) = sheet(definition)[layouts]
    return layout["Configuration"]["GridLayout"]["Elements"]  # type: ignore[no-any-return]


def column(name: str) -> dict[str, str]:
    return {"DataSetIdentifier": "predictions", "ColumnName": name}


def test_the_definition_fits_together(document: Definition) -> None:
    assert list(checks.problems(document)) == []
    checks.check(document)


def test_the_pie_of_labels_is_first_among_the_four_visuals(document: Definition) -> None:
    kinds = {name: kind for name, (kind, _) in visuals(document["definition"]).items()}
    assert list(kinds.items()) == list(VISUALS.items())


@pytest.mark.parametrize("visual", VISUALS)
@pytest.mark.parametrize("part", ["Title", "Subtitle"])
def test_every_visual_has_a_visible_title_and_subtitle(document: Definition, visual: str, part: str) -> None:
    text = visuals(document["definition"])[visual][1][part]
    assert text["Visibility"] == "VISIBLE"
    assert text["FormatText"]["PlainText"].endswith(".") == (part == "Subtitle")


def test_every_visual_has_the_query_of_its_name(document: Definition) -> None:
    assert [name for name in visuals(document["definition"]) if not (FOLDER / f"{name}.sql").exists()] == []


@pytest.mark.parametrize("visual", ["labels_by_count", "labels_by_day"])
def test_images_are_counted_and_not_the_labels_in_them(document: Definition, visual: str) -> None:
    (value,) = wells(document["definition"], visual)["Values"]
    assert value["CategoricalMeasureField"]["Column"] == column("prediction_id")
    assert value["CategoricalMeasureField"]["AggregationFunction"] == "DISTINCT_COUNT"


def test_the_days_are_bars_of_which_no_label_hides_another_and_days_without_a_label_stay(document: Definition) -> None:
    days = wells(document["definition"], "labels_by_day")
    assert days["Category"][0]["DateDimensionField"]["DateGranularity"] == "DAY"
    assert days["Colors"][0]["CategoricalDimensionField"]["Column"] == column("label")
    configuration = visuals(document["definition"])["labels_by_day"][1]["ChartConfiguration"]
    assert configuration["BarsArrangement"] == "STACKED"
    assert configuration["CategoryAxis"]["DataOptions"]["DateAxisOptions"]["MissingDateVisibility"] == "VISIBLE"


def test_only_rows_with_a_confidence_are_in_its_chart(document: Definition) -> None:
    bars = wells(document["definition"], "confidence_by_label")
    assert bars["Category"][0]["NumericalDimensionField"]["Column"] == column("confidence_from")
    number_filter = filters(document["definition"])["NumericRangeFilter"]
    assert (number_filter["Column"], number_filter["NullOption"]) == (column("confidence_from"), "NON_NULLS_ONLY")
    charts = ["labels_by_count", "labels_by_day", "confidence_by_label"]
    assert scope(document["definition"], "with_label")["VisualIds"] == charts


def test_the_table_has_the_newest_first_with_a_link_and_its_labels_of_interest_in_colour(document: Definition) -> None:
    fields = wells(document["definition"], "newest_predictions")["Values"]
    table = visuals(document["definition"])["newest_predictions"][1]
    names = ["uploaded_at", "image", "label", "confidence", "of_interest", "link"]
    assert [field["Column"]["ColumnName"] for field in fields] == names
    (sort,) = table["ChartConfiguration"]["SortConfiguration"]["RowSort"]
    assert sort["ColumnSort"] == {"SortBy": column("uploaded_at"), "Direction": "DESC"}
    options = {
        option["FieldId"]: option for option in table["ChartConfiguration"]["FieldOptions"]["SelectedFieldOptions"]
    }
    assert options["newest_predictions.link"]["URLStyling"]["LinkConfiguration"]["Target"] == "NEW_TAB"
    (row,) = table["ConditionalFormatting"]["ConditionalFormattingOptions"]
    assert row["Row"]["BackgroundColor"]["Solid"]["Expression"] == '{of_interest} = "yes"'


@pytest.mark.parametrize(
    ("control", "kind", "group"),
    [("RelativeDateTime", "RelativeDatesFilter", "by_day"), ("Dropdown", "CategoryFilter", "by_label")],
)
def test_a_viewer_chooses_the_days_and_the_labels_of_all_visuals(
    document: Definition, control: str, kind: str, group: str
) -> None:
    controls = {
        name: body
        for name_and_body in sheet(document["definition"])["FilterControls"]
        for name, body in name_and_body.items()
    }
    assert controls[control]["SourceFilterId"] == filters(document["definition"])[kind]["FilterId"]
    assert scope(document["definition"], group)["Scope"] == "ALL_VISUALS"


def test_only_the_values_of_a_stack_are_placeholders(document: Definition) -> None:
    assert set(Template(json.dumps(document)).get_identifiers()) == {
        *("STACK", "WORKGROUP", "ROLE_ARN", "SQL", "DATA_SOURCE_ARN", "DATA_SET_ARN"),
    }


def first(definition: Definition, visual: str, well: str) -> dict[str, Any]:
    (field,) = wells(definition, visual)[well][0].values()
    return field  # type: ignore[no-any-return]


def _unknown_column(definition: Definition) -> None:
    first(definition, "labels_by_count", "Category")["Column"] = column("leaf")


def _unknown_column_of_a_filter(definition: Definition) -> None:
    filters(definition)["CategoryFilter"]["Column"] = column("leaf")


def _unknown_column_in_an_expression(definition: Definition) -> None:
    (row,) = visuals(definition)["newest_predictions"][1]["ConditionalFormatting"]["ConditionalFormattingOptions"]
    row["Row"]["BackgroundColor"]["Solid"]["Expression"] = '{interesting} = "yes"'


def _number_as_category(definition: Definition) -> None:
    first(definition, "labels_by_count", "Category")["Column"] = column("confidence")


def _words_as_date(definition: Definition) -> None:
    first(definition, "labels_by_day", "Category")["Column"] = column("label")


def _words_as_number(definition: Definition) -> None:
    first(definition, "confidence_by_label", "Category")["Column"] = column("label")


def _date_as_measure(definition: Definition) -> None:
    first(definition, "labels_by_count", "Values")["Column"] = column("day")


def _words_in_a_filter_of_dates(definition: Definition) -> None:
    filters(definition)["RelativeDatesFilter"]["Column"] = column("label")


def _words_in_a_filter_of_numbers(definition: Definition) -> None:
    filters(definition)["NumericRangeFilter"]["Column"] = column("label")


def _date_in_a_filter_of_words(definition: Definition) -> None:
    filters(definition)["CategoryFilter"]["Column"] = column("day")


def _undeclared_data_set(definition: Definition) -> None:
    first(definition, "labels_by_count", "Category")["Column"]["DataSetIdentifier"] = "leaves"


def _duplicate_sheet(definition: Definition) -> None:
    definition["Sheets"].append({"SheetId": "predictions"})


def _duplicate_visual(definition: Definition) -> None:
    sheet(definition)["Visuals"].append({"PieChartVisual": {"VisualId": "labels_by_count"}})


def _duplicate_filter_group(definition: Definition) -> None:
    definition["FilterGroups"].append({"FilterGroupId": "by_day"})


def _duplicate_filter(definition: Definition) -> None:
    filters(definition)["CategoryFilter"]["FilterId"] = "day"


def _duplicate_control(definition: Definition) -> None:
    sheet(definition)["FilterControls"].append(
        {"Dropdown": {"FilterControlId": "choose_label", "SourceFilterId": "label"}}
    )


def _duplicate_field(definition: Definition) -> None:
    first(definition, "labels_by_day", "Category")["FieldId"] = "labels_by_count.label"


def _scope_of_no_sheet(definition: Definition) -> None:
    scope(definition, "by_day")["SheetId"] = "leaves"


def _scope_of_no_visual(definition: Definition) -> None:
    scope(definition, "with_label")["VisualIds"] = ["leaves"]


def _control_of_no_filter(definition: Definition) -> None:
    sheet(definition)["FilterControls"][0]["RelativeDateTime"]["SourceFilterId"] = "leaves"


def _layout_of_no_visual(definition: Definition) -> None:
    elements(definition, "Layouts")[0]["ElementId"] = "leaves"


def _layout_of_no_control(definition: Definition) -> None:
    elements(definition, "SheetControlLayouts")[0]["ElementId"] = "leaves"


def _layout_without_a_visual(definition: Definition) -> None:
    elements(definition, "Layouts").pop()


def _layout_with_a_duplicate_visual(definition: Definition) -> None:
    elements(definition, "Layouts").append(copy.deepcopy(elements(definition, "Layouts")[0]))


def _sorting_by_no_field(definition: Definition) -> None:
    sorting = visuals(definition)["labels_by_day"][1]["ChartConfiguration"]["SortConfiguration"]
    sorting["CategorySort"][0]["FieldSort"]["FieldId"] = "labels_by_count.label"


@pytest.mark.parametrize(
    ("breaks", "names"),
    [
        (_unknown_column, ["column leaf"]),
        (_unknown_column_of_a_filter, ["column leaf"]),
        (_unknown_column_in_an_expression, ["interesting", "expression"]),
        (_number_as_category, ["confidence", "DECIMAL", "CategoricalDimensionField", "STRING"]),
        (_words_as_date, ["label", "STRING", "DateDimensionField", "DATETIME"]),
        (_words_as_number, ["label", "STRING", "NumericalDimensionField", "DECIMAL or INTEGER"]),
        (_date_as_measure, ["day", "DATETIME", "CategoricalMeasureField", "STRING"]),
        (_words_in_a_filter_of_dates, ["label", "STRING", "RelativeDatesFilter", "DATETIME"]),
        (_words_in_a_filter_of_numbers, ["label", "STRING", "NumericRangeFilter", "DECIMAL or INTEGER"]),
        (_date_in_a_filter_of_words, ["day", "DATETIME", "CategoryFilter", "STRING"]),
        (_undeclared_data_set, ["data set leaves"]),
        (_duplicate_sheet, ["sheet predictions", "2 times"]),
        (_duplicate_visual, ["visual labels_by_count", "2 times"]),
        (_duplicate_filter_group, ["filter group by_day", "2 times"]),
        (_duplicate_filter, ["filter day", "2 times"]),
        (_duplicate_control, ["control choose_label", "2 times"]),
        (_duplicate_field, ["field labels_by_count.label", "2 times"]),
        (_scope_of_no_sheet, ["sheet leaves"]),
        (_scope_of_no_visual, ["visual leaves"]),
        (_control_of_no_filter, ["filter leaves"]),
        (_layout_of_no_visual, ["VISUAL leaves", "layout"]),
        (_layout_of_no_control, ["FILTER_CONTROL leaves", "layout"]),
        (_layout_without_a_visual, ["VISUAL newest_predictions", "0 times", "layout"]),
        (_layout_with_a_duplicate_visual, ["VISUAL labels_by_count", "2 times", "layout"]),
        (_sorting_by_no_field, ["visual labels_by_day", "labels_by_count.label"]),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_a_name_that_refers_to_nothing_is_refused(document: Definition, breaks: Break, names: list[str]) -> None:
    breaks(document["definition"])
    assert [problem for problem in checks.problems(document) if all(name in problem for name in names)]
    with pytest.raises(UserError):
        checks.check(document)


def test_a_problem_with_many_occurrences_is_reported_once(document: Definition) -> None:
    columns = document["data_set"]["PhysicalTableMap"]["predictions"]["CustomSql"]["Columns"]
    columns[:] = [column for column in columns if column["Name"] != "label"]
    with pytest.raises(UserError) as mistake:
        checks.check(document)
    assert str(mistake.value).count("column label") == 1
