"""Linear algebra: products, systems, decompositions, functions of matrices."""
