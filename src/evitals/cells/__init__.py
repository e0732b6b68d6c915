"""What a cell and a pack are: chemistries, circuit."""
