SELECT `label` -- Refused: backquotes are MySQL's, and Hive's.
FROM rekognition_customlabels_analytics
