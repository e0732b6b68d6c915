"""State now and next: charge, health, power, risk."""
