"""The folder of the project, which commands package, deploy and write into."""

from pathlib import Path

PROJECT = Path(__file__).parents[2]
