CREATE EXTERNAL TABLE IF NOT EXISTS predictions (label string)
PARTITONED BY (dt string) -- Refused: PARTITIONED is misspelt.
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION 's3://OUTPUT_BUCKET/predictions/'
