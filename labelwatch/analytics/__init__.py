"""Questions to the rows: the tables, the queries of athena/, and asking them through Athena."""
