"""The service's HTTP routes, one module per group of operations."""
