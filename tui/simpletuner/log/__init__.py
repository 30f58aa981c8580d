"""The parser of the trainer's log: lines, stages and metrics."""
