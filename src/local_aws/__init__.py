"""The deployed template on a laptop: a local AWS, a local Finch sandbox, no account."""
