"""What things cost, measured beside what they could cost at least."""
