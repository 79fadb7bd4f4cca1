"""Six worked examples: each solves a problem, prints what it found and draws a picture.

``python -m examples.gallery`` runs them all and writes docs/gallery.md with its pictures.
"""
