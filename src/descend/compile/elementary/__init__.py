"""exp, sin, erf and their kin as machine code."""
