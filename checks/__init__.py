"""Second opinions on the template, its IAM policies and the SQL for Athena; a part of `make lint`."""
