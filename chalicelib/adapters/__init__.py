"""One small file for each service; only these and the wiring know boto3."""
