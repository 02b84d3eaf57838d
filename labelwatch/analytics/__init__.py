"""Analytics of the predictions: the tables, the ready queries of athena/, and Athena."""

from labelwatch.analytics.athena import Athena
from labelwatch.analytics.dashboard import DEFINITION, Definition, load_definition
from labelwatch.analytics.output import explain_empty
from labelwatch.analytics.queries import FOLDER, TABLE, Narrowing, load_query, narrow_query
from labelwatch.analytics.tables import TABLES, Tables

__all__ = [
    "DEFINITION",
    "FOLDER",
    "TABLE",
    "TABLES",
    "Athena",
    "Definition",
    "Narrowing",
    "Tables",
    "explain_empty",
    "load_definition",
    "load_query",
    "narrow_query",
]
