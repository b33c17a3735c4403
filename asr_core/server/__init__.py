"""What stands before the pages: who may come in, and how much they may send."""
