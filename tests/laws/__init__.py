"""What holds for whatever input, looked for by hypothesis."""
