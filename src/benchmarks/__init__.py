"""What this costs, against floors and goals: `make bench`, `make scale`. For a laptop and CI, never deployed."""
