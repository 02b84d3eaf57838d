SELECT label
FROM rekognition_customlabels_analytics
LIMIT 5, 10 -- Refused: the offset in a LIMIT is MySQL's.
