"""The first page: what needs the person, and how the team's runs do."""
