"""Records as evidence: verified, committed, and compared."""
