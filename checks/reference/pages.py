"""The pages on settings, rows, alerts, metrics and dead letters."""

from collections.abc import Iterator
from typing import Any, get_type_hints

from sqlglot import exp, parse_one

from chalicelib.domain.alerts import ATTRIBUTES
from chalicelib.domain.rows import Row
from chalicelib.settings import SETTINGS
from chalicelib.telemetry import METRICS
from checks.reference.markdown import codes, definitions, page
from labelwatch.dead_letters.advice import ADVICE, ANY_OTHER
from labelwatch.deploy.packaging import resources
from labelwatch.deploy.parameters import PARAMETERS, option
from labelwatch.shared.project import PROJECT

TABLE = "rekognition_customlabels_analytics"
_OF_PARAMETER = {setting.parameter: setting for setting in SETTINGS if setting.parameter}


def settings() -> str:
    """Each parameter of the template, by the groups of CloudFormation's form, and the variables of a stage."""
    template = resources()
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    parameters = [
        part
        for group in groups
        for part in (f"## {group['Label']['default']}", *_parameters(group["Parameters"], template["Parameters"]))
    ]
    of_stage = [part for setting in SETTINGS if setting.stage_only for part in _stage_variable(setting)]
    set_by_stack = [setting for setting in SETTINGS if not setting.stage_only and not setting.parameter]
    return page(
        "Settings",
        "Each setting is a parameter of the CloudFormation template and an option of `labelwatch up`. The functions "
        "read the setting from an environment variable. A wrong value ends the function at its start, and its log "
        "names the variable.",
        *parameters,
        "## Variables of a stage",
        "Only with `chalice deploy`: add these variables to `environment_variables` of the stage in "
        "`.chalice/config.json`. `labelwatch up` keeps them.",
        *of_stage,
        "## Variables that the stack sets",
        "`labelwatch up` or CloudFormation sets these variables. Do not change them.",
        definitions((f"`{setting.variable}`", setting.kind.expected) for setting in set_by_stack),
    )


def _parameters(names: list[str], known: dict[str, Any]) -> Iterator[str]:
    for name in names:
        declared, parameter, setting = PARAMETERS[name], known[name], _OF_PARAMETER.get(name)
        default = "`labelwatch_STAGE` with `labelwatch up`, else `labelwatch`" if name == "DatabaseName" else None
        yield f"### `{name}`"
        yield declared.help
        yield definitions(
            [
                ("Option", f"`{option(name)}`"),
                ("Variable", f"`{setting.variable}`" if setting else "none"),
                ("Default", default or _default(declared.default)),
                ("Allowed", _allowed(parameter)),
            ]
        )


def _default(default: str | None) -> str:
    return "none, required" if default is None else f"`{default}`" if default else "empty"


def _allowed(parameter: dict[str, Any]) -> str:
    if "AllowedValues" in parameter:
        return " or ".join(f"`{value}`" for value in parameter["AllowedValues"])
    return str(parameter["ConstraintDescription"]).removeprefix("must be ").removesuffix(".")


def _stage_variable(setting: Any) -> Iterator[str]:  # noqa: ANN401 - a setting of any type
    yield f"### `{setting.variable}`"
    yield setting.help
    yield definitions([("Default", _default(setting.default)), ("Allowed", setting.kind.expected)])


def rows() -> str:
    """Each column of the table, with Athena's type and the meaning that is declared beside the field."""
    hints = get_type_hints(Row, include_extras=True)
    columns = [
        (f"`{column.name}` (`{_type(column)}`)", hints[column.name].__metadata__[0].description)
        for column in _columns("columns")
    ]
    partitions = [
        (f"`{column.name}` (`{_type(column)}`)", "Day of the upload (UTC).") for column in _columns("partition")
    ]
    return page(
        "Rows",
        "Each image has one object in the output bucket: `predictions/dt=YYYY-MM-DD/PREDICTION_ID.json`. The object "
        "has one line of JSON for each label, or one line with a null label. The lines are the rows of the table "
        f"`{TABLE}` in Athena.",
        "Repeated analyses of an image by the same model overwrite the object.",
        "## Columns",
        definitions(columns),
        "## Partition",
        definitions(partitions),
        "Athena reads only the objects of the days that a query selects by `dt`.",
    )


def _columns(part: str) -> list[exp.ColumnDef]:
    tree = parse_one((PROJECT / "athena" / f"{TABLE}.sql").read_text(), dialect="athena")
    partition = tree.find(exp.PartitionedByProperty)
    in_partition = set(partition.find_all(exp.ColumnDef)) if partition else set()
    nested = {inner for struct in tree.find_all(exp.DataType) for inner in struct.find_all(exp.ColumnDef)}
    found = [column for column in tree.find_all(exp.ColumnDef) if column not in nested]
    return [column for column in found if (column in in_partition) == (part == "partition")]


def _type(column: exp.ColumnDef) -> str:
    return str(column.args["kind"].sql("hive")).lower().replace("`", "")


def alerts() -> str:
    """Each message attribute of an alert."""
    return page(
        "Alerts",
        "An alert is one message to the alerts topic. People read its text. Programs and the filter policies of "
        "subscriptions use its message attributes.",
        "## Message attributes",
        definitions((f"`{name}` ({kind})", meaning) for name, (kind, meaning) in ATTRIBUTES.items()),
    )


def metrics() -> str:
    """Each metric, and each alarm of the template."""
    alarms = [
        part
        for name, resource in resources()["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
        for part in _alarm(name, resource)
    ]
    return page(
        "Metrics and alarms",
        "## Metrics",
        "The namespace is `Labelwatch`. The dimensions are `stack` and `service`, the function's name. The functions "
        "write the metrics to their logs, in CloudWatch's embedded metric format (EMF).",
        definitions((f"`{name}` ({codes(metric.services)})", metric.meaning) for name, metric in METRICS.items()),
        "## Alarms",
        "Each alarm notifies the operations topic. `STACK` stands for the name of the stack.",
        *alarms,
    )


def _alarm(name: str, resource: dict[str, Any]) -> Iterator[str]:
    alarm = resource["Properties"]
    periods = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
    metrics = [metric["MetricStat"] for metric in alarm.get("Metrics", []) if "MetricStat" in metric]
    seconds = periods * (metrics[0] if metrics else alarm)["Period"]
    threshold, compared = alarm["Threshold"], alarm["ComparisonOperator"]
    limit = f"`{threshold['Ref']}`" if isinstance(threshold, dict) else f"{threshold:,}"
    yield f"### `{name}`"
    yield _text(alarm["AlarmDescription"])
    facts = [
        ("Metric", _metric_of_alarm(alarm)),
        (
            "Threshold",
            f"{'at least' if 'OrEqual' in compared else 'over'} {limit} for {seconds:,} seconds",
        ),
    ]
    if "Condition" in resource:
        facts.append(("Exists", f"only where the template's condition `{resource['Condition']}` is true"))
    yield definitions(facts)


def _metric_of_alarm(alarm: dict[str, Any]) -> str:
    """The metric; in place of metric math, its expression and its metrics."""
    if "Metrics" not in alarm:
        return f"`{alarm['MetricName']}` of `{alarm['Namespace']}`, {alarm['Statistic'].lower()}"
    expressions = [f"`{part['Expression']}`" for part in alarm["Metrics"] if "Expression" in part]
    metrics = [
        f"`{part['Id']}` is `{part['MetricStat']['Metric']['MetricName']}` of "
        f"`{part['MetricStat']['Metric']['Namespace']}`, {part['MetricStat']['Stat'].lower()}"
        for part in alarm["Metrics"]
        if "MetricStat" in part
    ]
    return "; ".join([*expressions, *metrics])


def _text(value: str | dict[str, str]) -> str:
    return value if isinstance(value, str) else value["Fn::Sub"].replace("${AWS::StackName}", "STACK")


def dead_letter_reasons() -> str:
    """Each reason of a dead letter with its meaning and what to do; reasons with the same advice are together."""
    return page(
        "Reasons of dead letters",
        "`labelwatch dead-letters list` shows the reason of each dead letter. `labelwatch dead-letters show` adds the "
        "meaning and the action.",
        *(_reason(codes(names), *advice) for names, advice in ADVICE.items()),
        _reason("Any other reason", *ANY_OTHER),
    )


def _reason(names: str, meaning: str, action: str) -> str:
    return f"- {names}\n  - Meaning: {meaning}\n  - Action: {action}"
