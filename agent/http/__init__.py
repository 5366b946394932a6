"""What is served over HTTP: server, guard, token, workers' API, events, the page. Never imports `training`."""
