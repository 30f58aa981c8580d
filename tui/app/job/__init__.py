"""The page of one job: log, metrics, stages, config, files and events."""
