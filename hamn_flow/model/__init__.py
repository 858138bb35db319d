"""Plain values that every layer speaks of; nothing here reads or writes anything."""
