"""Whether a value that stands in a file is a secret: by its shape, by its name, and by its entropy."""

from __future__ import annotations

import math
import re
from collections import Counter
from urllib.parse import urlsplit

# Tokens that say themselves what they are. Each issuer documents its prefix.
_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})")),
    ("a GitLab token", re.compile(r"\bgl(?:pat|dt|rt|ptt)-[A-Za-z0-9_\-]{20,}")),
    ("a Stripe key", re.compile(r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|\bwhsec_[A-Za-z0-9+/]{24,}")),
    ("a Slack token", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,}")),
    ("a Slack webhook", re.compile(r"hooks\.slack\.com/services/T\w{6,}/B\w{6,}/\w{16,}")),
    ("a Discord webhook", re.compile(r"discord(?:app)?\.com/api/webhooks/\d{15,}/[\w\-]{40,}")),
    ("a Google API key", re.compile(r"\bAIza[A-Za-z0-9_\-]{35}")),
    ("a Google OAuth secret", re.compile(r"\bGOCSPX-[A-Za-z0-9_\-]{20,}")),
    ("a SendGrid key", re.compile(r"\bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}")),
    ("a Mailgun key", re.compile(r"\bkey-[0-9a-f]{32}\b")),
    ("a Render API key", re.compile(r"\brnd_[A-Za-z0-9]{20,}")),
    ("a Sentry token", re.compile(r"\bsntr[yu]s_[A-Za-z0-9+/=_\-]{20,}")),
    ("an OpenAI or Anthropic key", re.compile(r"\bsk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_\-]{20,}")),
    ("an npm or PyPI token", re.compile(r"\bnpm_[A-Za-z0-9]{36}|\bpypi-[A-Za-z0-9_\-]{50,}")),
    ("a JSON Web Token", re.compile(r"\beyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}")),
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY")),
)

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:SECRET|SECRETS|PASSWORD|PASSWD|PASSPHRASE|PWD|TOKEN|SALT|PEPPER|CREDENTIALS?"
    r"|(?:API|SECRET|PRIVATE|ACCESS|ENCRYPTION|SIGNING|FERNET|JWT|MASTER|AUTH)_?KEY)(?:_|$)",
    re.IGNORECASE,
)
# Names that speak of a secret without holding one: its age, its address, its name.
_ABOUT = re.compile(
    r"_(?:EXPIR\w*|TTL|LIFETIME|AGE|MINUTES|SECONDS|HOURS|DAYS|URL|URI|PATH|FILE|HEADER|NAME|LENGTH|ALGORITHM)$",
    re.IGNORECASE,
)

_PLACEHOLDER = re.compile(
    r"^(?:|[x*.\-_?]+|<.*>|\[.*\]|\{.*\}|\$\{?\w+.*|none|null|true|false|todo|tbd|secret|password|passw?d|pass|pw|user"
    r"|token|key|value|test|dev|development|local|localhost|foo|bar|admin|root|postgres|app|guest|•+)$"
    r"|change[\s_\-]?(?:me|this|it)|your[\s_\-]|my[_\-](?:secret|password|token|key)|replace|insert|example|sample"
    r"|placeholder|dummy|fake|redacted|generate|xxx+|\.\.\.|…|not[\s_\-]?(?:a[\s_\-]?)?(?:real|secret)|insecure"
    r"|(?:dev|development|test|local|staging)[\s_\-](?:only|secret|key|password|token)|(?:set|put|fill)[\s_\-](?:me|in)"
    r"|here$",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"^[A-Za-z0-9+/=_\-.~!@#$%^&*]{16,}$")
_HEX = re.compile(r"^[0-9a-fA-F]+$")
_WORDY = re.compile(r"^[A-Za-z\-_./ ]+$")


def secret_in(name: str, value: str) -> str:
    """What secret VALUE of the variable NAME is, in words without the value itself; empty when it is none.

    A known token's shape counts under every name; a password inside a URL, unless it is a placeholder; a random
    text (by entropy); and under the name of a secret whatever is no placeholder.
    """
    value = value.strip()
    if is_placeholder(value):
        return ""
    for what, shape in _SHAPES:
        if (found := shape.search(value)) and not is_placeholder(found[0].rpartition("_")[2]):
            return what
    if "://" in value:
        return "a URL with a password" if _password_of(value) else ""
    if _SECRET_NAME.search(name) and not _ABOUT.search(name) and len(value) >= 6 and not value.isdecimal():
        return f"a value under the name {name}"
    return "a random text, as keys are" if _random(value) else ""


def is_placeholder(value: str) -> bool:
    """Whether VALUE only holds the place of another.

    >>> is_placeholder("change-me"), is_placeholder("<your key>"), is_placeholder("9f8a7c3b5d")
    (True, True, False)
    """
    return bool(_PLACEHOLDER.search(value.strip()))


def names_a_secret(name: str) -> bool:
    """Whether a variable of this NAME usually holds a secret."""
    return bool(_SECRET_NAME.search(name)) and not _ABOUT.search(name)


def _password_of(url: str) -> bool:
    try:
        password = urlsplit(url).password or ""
        user = urlsplit(url).username or ""
    except ValueError:
        return False
    # postgresql://app:app@localhost/app is how every example is written.
    return bool(password) and not is_placeholder(password) and password != user and len(password) >= 6


def _random(value: str) -> bool:
    """High entropy in one word: 20 characters or more at 3.5 bits each (hexadecimal digits: 32 at 3)."""
    if not _TOKEN.match(value) or _WORDY.match(value):
        return False
    if _HEX.match(value):
        return len(value) >= 32 and entropy(value) >= 3.0
    has_all = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    # A host, a path or a file name is made of words.
    words = [word for word in re.split(r"[\-_./=]", value) if word]
    longest = max((len(word) for word in words), default=0)
    return len(value) >= 20 and longest >= 16 and has_all and entropy(value) >= 3.5


def entropy(text: str) -> float:
    """Shannon's entropy of TEXT, bits a character."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts) if text else 0.0
