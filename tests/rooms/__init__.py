"""One file of tests for each room."""
