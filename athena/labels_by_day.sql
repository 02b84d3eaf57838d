-- How many images have each label, by day of upload (UTC)? Takes --from, --to and --label.
SELECT dt AS day, label, count(DISTINCT prediction_id) AS images
FROM rekognition_customlabels_analytics
WHERE label IS NOT NULL
GROUP BY dt, label
ORDER BY day, images DESC, label
