"""What pages show, made from what selectors return: no queries, no requests, no HTML."""
