"""What the user writes about jobs: the sheet of one job, pins, and how they are shown."""
