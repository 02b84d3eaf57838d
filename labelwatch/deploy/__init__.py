"""Deploy: packaging, the resources stack of a stage, and the stage that `chalice deploy` reads."""

from labelwatch.deploy.packaging import Package, package

__all__ = ["Package", "package"]
