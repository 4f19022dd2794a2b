"""The bundle in images of every kind, and the example images with their real apps. `make test-images` runs these tests."""
