"""The trainer's log: lines, stages and metrics."""
