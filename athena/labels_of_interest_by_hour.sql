-- How many images have labels of interest, by hour of upload (UTC) and client? The client is the name of the upload token.
-- Takes --from, --to and --label.
SELECT
  date_trunc('hour', uploaded_at) AS hour,
  nullif(regexp_extract(image, '^uploads/([^/]+)/', 1), '') AS client,
  label,
  count(DISTINCT prediction_id) AS images
FROM rekognition_customlabels_analytics
WHERE of_interest
GROUP BY
  date_trunc('hour', uploaded_at),
  nullif(regexp_extract(image, '^uploads/([^/]+)/', 1), ''),
  label
ORDER BY hour, client, label
