-- The table of the walk-through, as plain as can be: three columns over the same objects, found from the bucket's root.
-- OUTPUT_BUCKET stands for the output bucket's name. Each query reads every day; the other table reads those that are asked for.
CREATE EXTERNAL TABLE IF NOT EXISTS rekognition_customlabels_plain (
  Image string,
  Label string,
  Confidence double
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION 's3://OUTPUT_BUCKET/'
