"""Costs of jobs, the cost limit, and stopping jobs at the limit."""
