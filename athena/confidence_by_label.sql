-- How sure was the model of each label? Predicted labels in steps of 10 from confidence_from on; 100 counts to the last step.
-- Takes --from, --to and --label.
SELECT
  label,
  CAST(least(floor(CAST(confidence AS double) / 10) * 10, 90) AS integer) AS confidence_from,
  count(*) AS labels
FROM rekognition_customlabels_analytics
WHERE label IS NOT NULL
GROUP BY label, CAST(least(floor(CAST(confidence AS double) / 10) * 10, 90) AS integer)
ORDER BY label, confidence_from
