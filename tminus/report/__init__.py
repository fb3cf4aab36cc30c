"""The report of a run: what its record says, for people, as one page. Made of the record alone."""
