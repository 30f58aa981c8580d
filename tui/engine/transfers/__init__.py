"""Publishing: the user's destinations, the queue of transfers, and the files of jobs."""
