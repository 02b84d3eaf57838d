"""QuickSight: a stack's predictions as a dashboard, made by API from athena/quicksight.json."""
