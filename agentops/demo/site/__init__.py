"""The demo site: real pages to crawl, on this machine, that can be told to misbehave."""
