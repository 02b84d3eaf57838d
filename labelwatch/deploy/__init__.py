"""Deploy: packaging, the resources stack of a stage, and the stage that `chalice deploy` reads."""

from labelwatch.deploy import functions, request_limits, stage
from labelwatch.deploy.packaging import Package, package, resources

__all__ = ["Package", "functions", "package", "request_limits", "resources", "stage"]
