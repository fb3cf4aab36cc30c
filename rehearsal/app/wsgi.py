# mypy: disable-error-code="import-not-found"
"""What gunicorn serves: `gunicorn -c gunicorn.conf.py wsgi:app`."""

from skymodder import create_app

app = create_app()
