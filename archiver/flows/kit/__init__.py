"""What an auditor is handed: chosen batches with programs that check them without us."""
