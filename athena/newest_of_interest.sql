-- Which labels of interest were detected last? The newest 100. Takes --from, --to and --label.
SELECT detected_at, label, confidence, source, bucket, image, version_id, prediction_id
FROM rekognition_customlabels_analytics
WHERE of_interest
ORDER BY detected_at DESC, prediction_id, confidence DESC, label
LIMIT 100
