CREATE EXTERNAL TABLE predictions (
  date string -- Refused: the word is reserved in Hive, and wants backquotes.
)
LOCATION 's3://OUTPUT_BUCKET/predictions/'
