"""Deploy: packaging, the resources stack of a stage, and the stage that `chalice deploy` reads."""

from labelwatch.deploy import deployed_file, functions, request_limits, stage
from labelwatch.deploy.packaging import Package, package, resources

__all__ = ["Package", "deployed_file", "functions", "package", "request_limits", "resources", "stage"]
