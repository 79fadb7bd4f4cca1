"""What works on windows and grids of images."""
