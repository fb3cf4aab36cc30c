"""A stand-in for Render: services that are deployed by a push, and the part of its API that a cutover needs."""
