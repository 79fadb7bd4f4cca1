"""What draws random numbers."""
