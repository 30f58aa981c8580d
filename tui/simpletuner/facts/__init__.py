"""What a release of SimpleTuner accepts: its options and its model families, with their date."""
