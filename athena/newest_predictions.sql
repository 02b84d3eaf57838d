-- What was predicted last? The newest 100 labels, those of interest marked; an image without a label has a row too.
-- Takes --from, --to and --label.
SELECT uploaded_at, image, label, confidence, of_interest, bucket, version_id
FROM rekognition_customlabels_analytics
ORDER BY uploaded_at DESC, prediction_id, confidence DESC, label
LIMIT 100
