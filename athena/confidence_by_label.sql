-- How confident is the model of each label? Labels counted in confidence ranges of 10 points; 100 is in the last range.
-- Takes --from, --to and --label.
SELECT
  label,
  CAST(least(floor(CAST(confidence AS double) / 10) * 10, 90) AS integer) AS confidence_from,
  count(*) AS labels
FROM rekognition_customlabels_analytics
WHERE label IS NOT NULL
GROUP BY label, CAST(least(floor(CAST(confidence AS double) / 10) * 10, 90) AS integer)
ORDER BY label, confidence_from
