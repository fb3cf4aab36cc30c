"""A run on a stage: the overlay that points the shipped checklist at it, and the actor that flies it alone."""
