"""The pipeline under all that can go wrong, and the audit afterwards: `python -m tests.torture`."""
