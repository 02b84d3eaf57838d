"""The visuals of athena/quicksight.json on one HTML page, drawn from the ready queries."""

from labelwatch.report.build import Report, Scope, write_report

__all__ = ["Report", "Scope", "write_report"]
