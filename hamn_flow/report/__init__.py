"""What is said to people: pure functions from runs, plans and events to lines, plain data and diagrams."""
