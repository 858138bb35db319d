"""What is read from a node, and how each platform says and does it."""
