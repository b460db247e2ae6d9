"""The operator's command line: works on any deployed stack, on AWS or on a laptop. Never deployed itself."""
