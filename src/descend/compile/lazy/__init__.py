"""Arrays that only record what is computed with them, and NumPy's functions for them."""
