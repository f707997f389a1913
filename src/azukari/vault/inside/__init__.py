"""The inside of the room: nothing but ``azukari.vault`` imports from here."""
