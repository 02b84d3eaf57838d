-- Which labels were predicted last? The newest 100, including images without a label. Takes --from, --to and --label.
SELECT uploaded_at, image, label, confidence, of_interest, bucket, version_id
FROM rekognition_customlabels_analytics
ORDER BY uploaded_at DESC, prediction_id, confidence DESC, label
LIMIT 100
