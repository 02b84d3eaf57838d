-- How many images have labels of interest, by hour of upload (UTC) and source? Takes --from, --to and --label.
SELECT date_trunc('hour', uploaded_at) AS hour, source, label, count(DISTINCT prediction_id) AS images
FROM rekognition_customlabels_analytics
WHERE of_interest
GROUP BY date_trunc('hour', uploaded_at), source, label
ORDER BY hour, source, label
