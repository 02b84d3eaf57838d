SELECT label FROM rekognition_customlabels_analytics;
SELECT image FROM rekognition_customlabels_analytics -- Refused: Athena takes one at a time.
