"""Training configurations: files, options and starters."""
