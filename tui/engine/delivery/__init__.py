"""Where a job's results go: chosen, checked before the submit, confirmed afterwards."""
