-- What did each version of the model see, in what share of its images, and how sure was it? Takes --from and --to.
WITH totals AS (
  SELECT model, count(DISTINCT prediction_id) AS images
  FROM rekognition_customlabels_analytics
  GROUP BY model
)
SELECT
  seen.model,
  seen.label,
  count(DISTINCT seen.prediction_id) AS images,
  round(100e0 * count(DISTINCT seen.prediction_id) / max(totals.images), 1) AS percent,
  round(avg(CAST(seen.confidence AS double)), 1) AS mean_confidence
FROM rekognition_customlabels_analytics AS seen
JOIN totals ON totals.model = seen.model
GROUP BY seen.model, seen.label
ORDER BY model, images DESC, label
