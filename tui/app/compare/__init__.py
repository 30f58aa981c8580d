"""The Compare screen: several runs over one another, what differs, and what came of it."""
