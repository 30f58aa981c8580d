"""From a draft to a running prediction."""
