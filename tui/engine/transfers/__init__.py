"""Publishing: named places, the queue of transfers, what was produced and where it is."""
