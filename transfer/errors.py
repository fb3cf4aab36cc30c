"""What can go wrong, in words for a person: what, where, and what to do next. Never a password in them."""


class TransferError(Exception):
    """Something about the data or its way was not as it has to be."""


class Refused(TransferError):
    """Looked, and it does not hold: the target is not empty, the schemas differ, a value does not fit."""


class CouldNotLook(TransferError):
    """Could not look at all, or not to the end: no connection, a dead server, an unreadable file."""


class CommitUnknown(CouldNotLook):
    """The connection broke while the server committed: it is done, or it is not, and only looking will tell."""


class Cancelled(TransferError):
    """Somebody asked to stop. Whatever was begun has been taken back."""
