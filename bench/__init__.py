"""Measurements, each run as a module from the project's folder: `.venv/bin/python -m bench.NAME`."""
