"""Second opinions on the template and its IAM policies; a part of `make lint`."""
