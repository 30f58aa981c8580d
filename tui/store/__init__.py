"""The record of every job: SQLite, log files and metric series."""
