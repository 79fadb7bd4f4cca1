"""How far an output is from its target, in one number."""
