"""The definition of a checklist and the record of a run. Plain data: no network, no UI."""
