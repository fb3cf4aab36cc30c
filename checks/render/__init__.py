"""Render's API: a small client of exactly what is used, and the checks of its databases, services and deploys.

`client` asks, `shapes` says what is read, `reach` finds things by name and turns failures into verdicts. The rest is
the checks, one module a subject.
"""
