"""What works on each element by itself."""
