"""The folder of the project, which commands package and deploy from, and write into."""

from pathlib import Path

PROJECT = Path(__file__).parents[2]
