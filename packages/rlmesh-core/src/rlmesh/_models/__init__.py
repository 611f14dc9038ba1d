"""Models: a predict function, and what it takes to run it."""
