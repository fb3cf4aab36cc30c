"""The version of tminus."""

__version__ = "0.1.0"
