"""Faults at every step of the running stack, and the comparison of three ledgers that shows what they did to it."""
