"""Folders of images: scanned, judged and packed."""
