"""What vehicles and benches recorded: readers, checks, trips."""
