"""Brings a Finch sandbox connection up to date, and always knows how that ended."""
