-- Where were labels of interest detected? The boxes in the newest 24 images. Takes --from, --to and --label.
WITH newest AS (
  SELECT bucket, image, version_id, max_by(prediction_id, detected_at) AS prediction_id
  FROM rekognition_customlabels_analytics
  WHERE of_interest
  GROUP BY bucket, image, version_id
  ORDER BY max(uploaded_at) DESC, bucket, image
  LIMIT 24
)
SELECT
  predictions.uploaded_at,
  predictions.source,
  predictions.bucket,
  predictions.image,
  predictions.version_id,
  predictions.label,
  predictions.confidence,
  CAST(predictions.bounding_box."left" AS double) AS box_left,
  CAST(predictions.bounding_box.top AS double) AS box_top,
  CAST(predictions.bounding_box.width AS double) AS box_width,
  CAST(predictions.bounding_box.height AS double) AS box_height,
  predictions.prediction_id
FROM rekognition_customlabels_analytics AS predictions
JOIN newest ON newest.prediction_id = predictions.prediction_id
WHERE predictions.of_interest
ORDER BY predictions.uploaded_at DESC, predictions.prediction_id, predictions.confidence DESC, predictions.label
