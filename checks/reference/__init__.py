"""Writes the pages in docs/reference from the code. `make lint` fails where a page is not current."""
