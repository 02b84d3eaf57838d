-- The table of the walk-through, with three columns over the same objects, from the bucket's root.
-- OUTPUT_BUCKET stands for the output bucket's name. Each query reads every day; a query of the other table reads only the days that it is narrowed to.
CREATE EXTERNAL TABLE IF NOT EXISTS rekognition_customlabels_plain (
  Image string,
  Label string,
  Confidence double
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION 's3://OUTPUT_BUCKET/'
