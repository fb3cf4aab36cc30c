"""A browser of a few lines: forms with their CSRF token, cookies kept."""

import re

import httpx

TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')


class Browser:
    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=20.0)

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path)

    def submit(self, page: str, path: str | None = None, **fields: str) -> httpx.Response:
        """Fill in the form on PAGE and send it to PATH (PAGE itself, if not said)."""
        found = TOKEN.search(self.get(page).text)
        assert found is not None, f"{page} has no form"
        return self.http.post(path or page, data={"csrf_token": found[1], **fields})

    def register(self, name: str, password: str = "long enough") -> httpx.Response:
        email = f"{name}@example.org"
        return self.submit("/register", username=name, email=email, password=password)

    def login(self, name: str, password: str = "long enough") -> httpx.Response:
        return self.submit("/login", username=name, password=password)
