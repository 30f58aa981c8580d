"""Checking a job draft, packing and uploading its data, and starting its prediction."""
