"""Records: their schema, their files, their older forms, and what must agree in a table."""
