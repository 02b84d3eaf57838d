"""What several suites, and bench, share."""
