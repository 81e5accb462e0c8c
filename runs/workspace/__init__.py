"""Workspaces on the disk of this host: folders that come and go with the slices that use them."""
