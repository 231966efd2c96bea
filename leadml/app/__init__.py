"""The page for sales ops (one offline file) and the HTTP API that serves it."""
