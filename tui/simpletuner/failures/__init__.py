"""Why a training failed: rules as data, the reading of logs, and advice for the next run."""
