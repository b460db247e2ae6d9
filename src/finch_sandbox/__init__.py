"""A local Finch sandbox: the documented job endpoints, and every fault worth testing against."""
