-- The rows for QuickSight: one row for each label of each image. `labelwatch quicksight up` replaces DATABASE with the database's name
-- and https://CONSOLE with the address of the AWS console. A boolean is sent as text, because QuickSight has no boolean type.
SELECT
  image,
  coalesce(label, '(no label)') AS label,
  confidence,
  source,
  bucket,
  uploaded_at,
  detected_at,
  CAST(dt AS timestamp) AS day,
  CASE WHEN confidence >= 100 THEN 90 ELSE CAST(floor(confidence / 10) * 10 AS integer) END AS confidence_from,
  model,
  CASE WHEN of_interest THEN 'yes' ELSE 'no' END AS of_interest,
  prediction_id,
  'https://CONSOLE/s3/object/' || bucket || '?prefix=' || replace(url_encode(image), '+', '%20')
    || coalesce('&versionId=' || url_encode(version_id), '') AS link
FROM DATABASE.rekognition_customlabels_analytics
