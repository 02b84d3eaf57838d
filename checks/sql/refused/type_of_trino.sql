CREATE EXTERNAL TABLE predictions (
  metadata map(varchar, varchar) -- Refused: in Hive it is map<string,string>.
)
LOCATION 's3://OUTPUT_BUCKET/predictions/'
