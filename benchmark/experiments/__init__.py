"""From composed settings to a record: what is trained on which images, and running it."""
