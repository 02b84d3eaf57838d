-- The table of predictions: one row for each label of each image, partitioned by day of upload (dt).
-- Replace OUTPUT_BUCKET with the name of the output bucket. Partition projection lists the days: no crawler is needed.
CREATE EXTERNAL TABLE IF NOT EXISTS rekognition_customlabels_analytics (
  image string,
  label string,
  confidence double,
  source string,
  bucket string,
  version_id string,
  etag string,
  size bigint,
  content_type string,
  metadata map<string,string>,
  uploaded_at timestamp,
  detected_at timestamp,
  model string,
  min_confidence double,
  of_interest boolean,
  bounding_box struct<`left`:double,`top`:double,`width`:double,`height`:double>,
  prediction_id string
)
PARTITIONED BY (dt string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION 's3://OUTPUT_BUCKET/predictions/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2020-01-01,NOW',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://OUTPUT_BUCKET/predictions/dt=${dt}/'
)
