-- The walk-through's table: three columns over the same objects, from the root of the bucket.
-- Replace OUTPUT_BUCKET with the name of the output bucket. Each query reads all days; the other table can be limited to some days.
CREATE EXTERNAL TABLE IF NOT EXISTS rekognition_customlabels_plain (
  Image string,
  Label string,
  Confidence double
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION 's3://OUTPUT_BUCKET/'
