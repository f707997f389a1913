"""One call to a processor: its row, executing it, finding out what became of it."""
