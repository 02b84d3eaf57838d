"""The definition of the dashboard: what it draws, and that a copy in which one name fits nothing is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from string import Template
from typing import Any

import pytest

from labelwatch.analytics.queries import FOLDER
from labelwatch.quicksight import checks, document
from labelwatch.shared.errors import UserError

type Definition = dict[str, Any]
type Break = Callable[[Definition], None]

VISUALS = {
    "labels_by_count": "PieChartVisual",
    "labels_by_day": "BarChartVisual",
    "confidence_by_label": "BarChartVisual",
    "newest_predictions": "TableVisual",
}


@pytest.fixture
def whole() -> dict[str, Any]:
    return document.read()


def sheet(definition: Definition) -> dict[str, Any]:
    (only,) = definition["Sheets"]
    return only  # type: ignore[no-any-return]


def visuals(definition: Definition) -> dict[str, tuple[str, dict[str, Any]]]:
    """The kind and the content of each visual, by its id, in their order."""
    return {one["VisualId"]: (kind, one) for each in sheet(definition)["Visuals"] for kind, one in each.items()}


def wells(definition: Definition, visual: str) -> dict[str, Any]:
    (found,) = visuals(definition)[visual][1]["ChartConfiguration"]["FieldWells"].values()
    return found  # type: ignore[no-any-return]


def filters(definition: Definition) -> dict[str, dict[str, Any]]:
    return {
        kind: one for group in definition["FilterGroups"] for each in group["Filters"] for kind, one in each.items()
    }


def scope(definition: Definition, group: str) -> dict[str, Any]:
    (found,) = [one for one in definition["FilterGroups"] if one["FilterGroupId"] == group]
    (only,) = found["ScopeConfiguration"]["SelectedSheets"]["SheetVisualScopingConfigurations"]
    return only  # type: ignore[no-any-return]


def placed(definition: Definition, where: str) -> list[dict[str, Any]]:
    (layout,) = sheet(definition)[where]
    return layout["Configuration"]["GridLayout"]["Elements"]  # type: ignore[no-any-return]


def column(name: str) -> dict[str, str]:
    return {"DataSetIdentifier": "predictions", "ColumnName": name}


def test_the_definition_fits_together(whole: dict[str, Any]) -> None:
    assert list(checks.problems(whole)) == []
    checks.check(whole)


def test_the_pie_of_labels_is_first_among_the_four_visuals(whole: dict[str, Any]) -> None:
    kinds = {name: kind for name, (kind, _) in visuals(whole["definition"]).items()}
    assert list(kinds.items()) == list(VISUALS.items())


@pytest.mark.parametrize("visual", VISUALS)
@pytest.mark.parametrize("part", ["Title", "Subtitle"])
def test_every_visual_says_what_it_shows(whole: dict[str, Any], visual: str, part: str) -> None:
    said = visuals(whole["definition"])[visual][1][part]
    assert said["Visibility"] == "VISIBLE"
    assert said["FormatText"]["PlainText"].endswith(".") == (part == "Subtitle")


def test_every_visual_has_the_query_of_its_name(whole: dict[str, Any]) -> None:
    assert [name for name in visuals(whole["definition"]) if not (FOLDER / f"{name}.sql").exists()] == []


@pytest.mark.parametrize("visual", ["labels_by_count", "labels_by_day"])
def test_what_is_counted_are_images_and_not_the_labels_in_them(whole: dict[str, Any], visual: str) -> None:
    (value,) = wells(whole["definition"], visual)["Values"]
    assert value["CategoricalMeasureField"]["Column"] == column("prediction_id")
    assert value["CategoricalMeasureField"]["AggregationFunction"] == "DISTINCT_COUNT"


def test_the_days_are_bars_of_which_no_label_hides_another_and_days_without_a_label_stay(whole: dict[str, Any]) -> None:
    days = wells(whole["definition"], "labels_by_day")
    assert days["Category"][0]["DateDimensionField"]["DateGranularity"] == "DAY"
    assert days["Colors"][0]["CategoricalDimensionField"]["Column"] == column("label")
    configuration = visuals(whole["definition"])["labels_by_day"][1]["ChartConfiguration"]
    assert configuration["BarsArrangement"] == "STACKED"
    assert configuration["CategoryAxis"]["DataOptions"]["DateAxisOptions"]["MissingDateVisibility"] == "VISIBLE"


def test_the_confidences_are_of_what_has_one(whole: dict[str, Any]) -> None:
    bars = wells(whole["definition"], "confidence_by_label")
    assert bars["Category"][0]["NumericalDimensionField"]["Column"] == column("confidence_from")
    kept = filters(whole["definition"])["NumericRangeFilter"]
    assert (kept["Column"], kept["NullOption"]) == (column("confidence_from"), "NON_NULLS_ONLY")
    charts = ["labels_by_count", "labels_by_day", "confidence_by_label"]
    assert scope(whole["definition"], "with_label")["VisualIds"] == charts


def test_the_table_has_the_newest_first_with_a_link_and_its_labels_of_interest_in_colour(whole: dict[str, Any]) -> None:
    fields = wells(whole["definition"], "newest_predictions")["Values"]
    table = visuals(whole["definition"])["newest_predictions"][1]
    names = ["uploaded_at", "image", "label", "confidence", "of_interest", "link"]
    assert [one["Column"]["ColumnName"] for one in fields] == names
    (sort,) = table["ChartConfiguration"]["SortConfiguration"]["RowSort"]
    assert sort["ColumnSort"] == {"SortBy": column("uploaded_at"), "Direction": "DESC"}
    options = {one["FieldId"]: one for one in table["ChartConfiguration"]["FieldOptions"]["SelectedFieldOptions"]}
    assert options["newest_predictions.link"]["URLStyling"]["LinkConfiguration"]["Target"] == "NEW_TAB"
    (row,) = table["ConditionalFormatting"]["ConditionalFormattingOptions"]
    assert row["Row"]["BackgroundColor"]["Solid"]["Expression"] == '{of_interest} = "yes"'


@pytest.mark.parametrize(
    ("control", "kind", "group"),
    [("RelativeDateTime", "RelativeDatesFilter", "by_day"), ("Dropdown", "CategoryFilter", "by_label")],
)
def test_whoever_looks_chooses_the_days_and_the_labels_of_all_visuals(
    whole: dict[str, Any], control: str, kind: str, group: str
) -> None:
    controls = {name: one for each in sheet(whole["definition"])["FilterControls"] for name, one in each.items()}
    assert controls[control]["SourceFilterId"] == filters(whole["definition"])[kind]["FilterId"]
    assert scope(whole["definition"], group)["Scope"] == "ALL_VISUALS"


def test_only_what_a_stack_alone_knows_is_a_placeholder(whole: dict[str, Any]) -> None:
    assert set(Template(json.dumps(whole)).get_identifiers()) == {
        *("STACK", "WORKGROUP", "ROLE_ARN", "SQL", "DATA_SOURCE_ARN", "DATA_SET_ARN"),
    }


def first(definition: Definition, visual: str, well: str) -> dict[str, Any]:
    (field,) = wells(definition, visual)[well][0].values()
    return field  # type: ignore[no-any-return]


def _unknown_column(it: Definition) -> None:
    first(it, "labels_by_count", "Category")["Column"] = column("leaf")


def _unknown_column_of_a_filter(it: Definition) -> None:
    filters(it)["CategoryFilter"]["Column"] = column("leaf")


def _unknown_column_in_an_expression(it: Definition) -> None:
    (row,) = visuals(it)["newest_predictions"][1]["ConditionalFormatting"]["ConditionalFormattingOptions"]
    row["Row"]["BackgroundColor"]["Solid"]["Expression"] = '{interesting} = "yes"'


def _number_as_category(it: Definition) -> None:
    first(it, "labels_by_count", "Category")["Column"] = column("confidence")


def _words_as_date(it: Definition) -> None:
    first(it, "labels_by_day", "Category")["Column"] = column("label")


def _words_as_number(it: Definition) -> None:
    first(it, "confidence_by_label", "Category")["Column"] = column("label")


def _date_as_measure(it: Definition) -> None:
    first(it, "labels_by_count", "Values")["Column"] = column("day")


def _words_in_a_filter_of_dates(it: Definition) -> None:
    filters(it)["RelativeDatesFilter"]["Column"] = column("label")


def _words_in_a_filter_of_numbers(it: Definition) -> None:
    filters(it)["NumericRangeFilter"]["Column"] = column("label")


def _date_in_a_filter_of_words(it: Definition) -> None:
    filters(it)["CategoryFilter"]["Column"] = column("day")


def _undeclared_data_set(it: Definition) -> None:
    first(it, "labels_by_count", "Category")["Column"]["DataSetIdentifier"] = "leaves"


def _sheet_twice(it: Definition) -> None:
    it["Sheets"].append({"SheetId": "predictions"})


def _visual_twice(it: Definition) -> None:
    sheet(it)["Visuals"].append({"PieChartVisual": {"VisualId": "labels_by_count"}})


def _filter_group_twice(it: Definition) -> None:
    it["FilterGroups"].append({"FilterGroupId": "by_day"})


def _filter_twice(it: Definition) -> None:
    filters(it)["CategoryFilter"]["FilterId"] = "day"


def _control_twice(it: Definition) -> None:
    sheet(it)["FilterControls"].append({"Dropdown": {"FilterControlId": "choose_label", "SourceFilterId": "label"}})


def _field_twice(it: Definition) -> None:
    first(it, "labels_by_day", "Category")["FieldId"] = "labels_by_count.label"


def _scope_of_no_sheet(it: Definition) -> None:
    scope(it, "by_day")["SheetId"] = "leaves"


def _scope_of_no_visual(it: Definition) -> None:
    scope(it, "with_label")["VisualIds"] = ["leaves"]


def _control_of_no_filter(it: Definition) -> None:
    sheet(it)["FilterControls"][0]["RelativeDateTime"]["SourceFilterId"] = "leaves"


def _layout_of_no_visual(it: Definition) -> None:
    placed(it, "Layouts")[0]["ElementId"] = "leaves"


def _layout_of_no_control(it: Definition) -> None:
    placed(it, "SheetControlLayouts")[0]["ElementId"] = "leaves"


def _layout_without_a_visual(it: Definition) -> None:
    placed(it, "Layouts").pop()


def _layout_with_a_visual_twice(it: Definition) -> None:
    placed(it, "Layouts").append(copy.deepcopy(placed(it, "Layouts")[0]))


def _sorting_by_no_field(it: Definition) -> None:
    sorting = visuals(it)["labels_by_day"][1]["ChartConfiguration"]["SortConfiguration"]
    sorting["CategorySort"][0]["FieldSort"]["FieldId"] = "labels_by_count.label"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (_unknown_column, "the data set has no column leaf"),
        (_unknown_column_of_a_filter, "the data set has no column leaf"),
        (_unknown_column_in_an_expression, "an expression names interesting, and the data set has no such column"),
        (_number_as_category, "the column confidence is DECIMAL, and a CategoricalDimensionField wants STRING"),
        (_words_as_date, "the column label is STRING, and a DateDimensionField wants DATETIME"),
        (_words_as_number, "the column label is STRING, and a NumericalDimensionField wants DECIMAL or INTEGER"),
        (_date_as_measure, "the column day is DATETIME, and a CategoricalMeasureField wants STRING"),
        (_words_in_a_filter_of_dates, "the column label is STRING, and a RelativeDatesFilter wants DATETIME"),
        (
            _words_in_a_filter_of_numbers,
            "the column label is STRING, and a NumericRangeFilter wants DECIMAL or INTEGER",
        ),
        (_date_in_a_filter_of_words, "the column day is DATETIME, and a CategoryFilter wants STRING"),
        (_undeclared_data_set, "the data set leaves is not declared"),
        (_sheet_twice, "the sheet predictions is there 2 times"),
        (_visual_twice, "the visual labels_by_count is there 2 times"),
        (_filter_group_twice, "the filter group by_day is there 2 times"),
        (_filter_twice, "the filter day is there 2 times"),
        (_control_twice, "the control choose_label is there 2 times"),
        (_field_twice, "the field labels_by_count.label is there 2 times"),
        (_scope_of_no_sheet, "there is no sheet leaves"),
        (_scope_of_no_visual, "there is no visual leaves"),
        (_control_of_no_filter, "there is no filter leaves"),
        (_layout_of_no_visual, "the layout has a VISUAL leaves, which there is not"),
        (_layout_of_no_control, "the layout has a FILTER_CONTROL leaves, which there is not"),
        (_layout_without_a_visual, "the layout has the VISUAL newest_predictions 0 times"),
        (_layout_with_a_visual_twice, "the layout has the VISUAL labels_by_count 2 times"),
        (_sorting_by_no_field, "the visual labels_by_day has no field labels_by_count.label"),
    ],
    ids=lambda one: one.__name__.strip("_") if callable(one) else "",
)
def test_a_copy_in_which_a_name_fits_nothing_is_refused(whole: dict[str, Any], broken: Break, said: str) -> None:
    broken(whole["definition"])
    with pytest.raises(UserError) as mistake:
        checks.check(whole)
    assert said in str(mistake.value)


def test_what_is_wrong_in_many_places_is_said_once(whole: dict[str, Any]) -> None:
    columns = whole["data_set"]["PhysicalTableMap"]["predictions"]["CustomSql"]["Columns"]
    columns[:] = [one for one in columns if one["Name"] != "label"]
    with pytest.raises(UserError) as mistake:
        checks.check(whole)
    assert str(mistake.value) == "quicksight.json does not fit together: the data set has no column label."
