-- What share of each day's images (UTC) has no label, and how many have a label of interest? Takes --from and --to.
SELECT
  dt AS day,
  count(DISTINCT prediction_id) AS images,
  count(DISTINCT prediction_id) FILTER (WHERE of_interest) AS of_interest,
  count(DISTINCT prediction_id) FILTER (WHERE label IS NULL) AS without_label,
  round(100e0 * count(DISTINCT prediction_id) FILTER (WHERE label IS NULL) / count(DISTINCT prediction_id), 1) AS percent
FROM rekognition_customlabels_analytics
GROUP BY dt
ORDER BY day
