"""What can be paid with besides a card: the details each method asks for."""
