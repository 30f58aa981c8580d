"""The web parts that face outwards: storage receiver and webhook routes."""
