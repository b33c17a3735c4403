"""The app attacked and visited from outside: by raw clients, without a browser."""
