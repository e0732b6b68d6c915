"""What people see: the page and what feeds it."""
