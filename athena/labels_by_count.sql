-- How many images have each label? Takes --from, --to and --label.
SELECT label, count(DISTINCT prediction_id) AS images
FROM rekognition_customlabels_analytics
WHERE label IS NOT NULL
GROUP BY label
ORDER BY images DESC, label
