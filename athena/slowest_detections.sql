-- Which images waited longest for their prediction? The slowest 100. Takes --from and --to.
SELECT
  dt AS day,
  bucket,
  image,
  uploaded_at,
  detected_at,
  date_diff('millisecond', uploaded_at, detected_at) / 1000e0 AS seconds
FROM rekognition_customlabels_analytics
GROUP BY dt, bucket, image, uploaded_at, detected_at, prediction_id
ORDER BY seconds DESC, prediction_id
LIMIT 100
