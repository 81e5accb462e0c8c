"""The console's pages: parse, read by one selector or write by one service, render."""
