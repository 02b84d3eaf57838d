"""Images that were there before, onto the images queue."""
