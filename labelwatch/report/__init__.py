"""The visuals of athena/quicksight.json on one page, drawn from the ready queries: no QuickSight, no server."""

from labelwatch.report.build import Report, Scope, write_report

__all__ = ["Report", "Scope", "write_report"]
