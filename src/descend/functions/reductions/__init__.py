"""Many elements into few: sums, extremes, moments, ranks, and what runs along an axis."""
