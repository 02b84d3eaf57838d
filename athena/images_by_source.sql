-- How many images did each source send, and how many have a label of interest? Takes --from and --to.
SELECT
  source,
  count(DISTINCT prediction_id) AS images,
  count(DISTINCT CASE WHEN of_interest THEN prediction_id END) AS of_interest
FROM rekognition_customlabels_analytics
WHERE source IS NOT NULL
GROUP BY source
ORDER BY images DESC, source
