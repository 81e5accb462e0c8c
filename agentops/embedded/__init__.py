"""The servers and the supervisor behind ``make up``: nothing in the product asks whether they are there."""
