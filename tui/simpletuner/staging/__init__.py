"""Local datasets in the form that the trainer can fetch: manifests and rewritten entries."""
