"""Sampled functions: Fourier transforms, spectra, interpolation, slopes and areas."""
