# mypy: disable-error-code="import-not-found"
"""The site against the database of DATABASE_URL: `python -m unittest discover tests`."""

import re
import unittest
from typing import Any, ClassVar

from alembic import command
from alembic.config import Config
from db import BACKEND
from skymodder import create_app

PASSWORD = "long enough"  # noqa: S105 (of a visitor who is made up)


class Site(unittest.TestCase):
    """A visitor with cookies, on tables that the migrations have just made."""

    app: ClassVar[Any]

    @classmethod
    def setUpClass(cls) -> None:
        command.upgrade(Config("alembic.ini"), "head")
        cls.app = create_app()

    def setUp(self) -> None:
        self.visitor = self.app.test_client()

    def submit(self, page: str, to: str, **fields: str) -> Any:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.visitor.get(page).text)
        assert found, f"{page} has no form"
        return self.visitor.post(to, data={"csrf_token": found.group(1), **fields})

    def register(self, name: str) -> Any:
        mail = f"{name}@example.org"
        return self.submit("/register", "/register", username=name, email=mail, password=PASSWORD)

    def test_the_front_page_is_there(self) -> None:
        self.assertEqual(self.visitor.get("/").status_code, 200)

    def test_a_name_is_taken_once(self) -> None:
        self.assertEqual(self.register("Ada").status_code, 303)
        self.visitor = self.app.test_client()
        self.assertEqual(self.register("Ada").status_code, 409)

    def test_who_registers_is_logged_in_and_can_log_in_again(self) -> None:
        self.register("Grace")
        self.assertIn("Log out", self.visitor.get("/").text)
        self.submit("/", "/logout")
        self.assertNotIn("Log out", self.visitor.get("/").text)
        answer = self.submit("/login", "/login", username="Grace", password=PASSWORD)
        self.assertEqual(answer.status_code, 303)

    def test_a_post_is_there_for_everybody(self) -> None:
        self.register("Edsger")
        self.assertEqual(self.submit("/community", "/community", title="Greetings", body="for all").status_code, 303)
        self.assertIn("Greetings", self.app.test_client().get("/").text)

    def test_the_database_is_the_one_that_goes_live(self) -> None:
        self.assertEqual(BACKEND, "postgresql")


if __name__ == "__main__":
    unittest.main()
