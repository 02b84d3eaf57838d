"""The visuals of athena/quicksight.json on one page, drawn from the ready queries: no QuickSight, no server."""
