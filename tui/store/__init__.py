"""The record of every job: the SQLite database and the log files."""
