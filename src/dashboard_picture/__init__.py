"""A picture of the dashboard, drawn from what a local stack measured of itself. Never deployed."""
