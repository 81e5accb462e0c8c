"""Reads made for the console's pages."""
