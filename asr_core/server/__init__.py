"""Access control, limits, health and status of the server in front of the pages."""
