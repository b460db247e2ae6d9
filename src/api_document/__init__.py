"""Writes the OpenAPI document of the HTTP API, docs/openapi.json. Never deployed."""
