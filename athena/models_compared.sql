-- Which labels does each model version detect, in what share of images, with what confidence? Takes --from and --to.
WITH totals AS (
  SELECT model, count(DISTINCT prediction_id) AS images
  FROM rekognition_customlabels_analytics
  GROUP BY model
)
SELECT
  predictions.model,
  predictions.label,
  count(DISTINCT predictions.prediction_id) AS images,
  round(100e0 * count(DISTINCT predictions.prediction_id) / max(totals.images), 1) AS percent,
  round(avg(CAST(predictions.confidence AS double)), 1) AS mean_confidence
FROM rekognition_customlabels_analytics AS predictions
JOIN totals ON totals.model = predictions.model
GROUP BY predictions.model, predictions.label
ORDER BY model, images DESC, label
