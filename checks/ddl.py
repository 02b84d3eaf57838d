"""Which files are DDL: Athena reads those as Hive does, and all others as Trino."""

import re

_BEGINNING = re.compile(r"(\s|--.*\n|/\*(?s:.*?)\*/)*+CREATE\s+EXTERNAL\s+TABLE\b", re.IGNORECASE)


def is_ddl(sql: str) -> bool:
    """Whether it begins, after comments, by making a table of what is in S3."""
    return _BEGINNING.match(sql) is not None
