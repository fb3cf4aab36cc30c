"""Deploys and one-off jobs, as the API has them."""

from datetime import UTC, datetime
from typing import Any

from rehearsal.render.api import Answer, Asked, page
from rehearsal.render.book import ENDED_JOBS, IN_FLIGHT, Book, Deploy, Job, Service
from rehearsal.render.code import tip
from rehearsal.render.jobs import new_job
from rehearsal.render.platform import Refused
from rehearsal.render.services import service_of


def deploy_shape(one: Deploy) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "id": one.id,
        "commit": {"id": one.commit, "message": one.message, "createdAt": one.committed_at},
        "createdAt": one.created_at,
        "finishedAt": one.finished_at,
        "status": one.status,
        "trigger": one.trigger,
        "updatedAt": one.updated_at,
    }
    return shape | ({"startedAt": one.started_at} if one.started_at else {})


def job_shape(one: Job) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "id": one.id,
        "serviceId": one.service,
        "planId": one.plan,
        "startCommand": one.command,
        "status": one.status,
        "createdAt": one.created_at,
    }
    if one.started_at:
        shape["startedAt"] = one.started_at
    return shape | ({"finishedAt": one.finished_at} if one.finished_at else {})


def list_deploys(asked: Asked) -> Answer:
    service, wanted = service_of(asked), asked.params.get("status")
    after = asked.moment("createdAfter", datetime.min.replace(tzinfo=UTC))
    before = asked.moment("createdBefore", datetime.max.replace(tzinfo=UTC))
    with asked.platform.book.lock:
        found = [
            deploy_shape(one)
            for one in asked.platform.book.deploys_of(service.id)
            if (not wanted or one.status in wanted) and after < datetime.fromisoformat(one.created_at) < before
        ]
    return page(asked, "deploy", [(one["id"], one) for one in found])


def create_deploy(asked: Asked) -> Answer:
    """201 with the deploy; 202 without a body when it has to wait for another."""
    p, service = asked.platform, service_of(asked)
    fields = asked.fields() if asked.body is not None else {}
    commit = fields.get("commitId")
    sha = commit or tip(p.layout.repository, service.branch) or tip(p.layout.repository, "main") or ""
    waits = bool(p.book.in_flight(service.id))
    deploy = p.do(lambda: p.begin(service, str(sha), "api"))
    return (202, None) if waits else (201, deploy_shape(deploy))


def _deploy(asked: Asked) -> Deploy:
    service, deploy = service_of(asked), asked.platform.book.deploy(asked.words[1])
    if deploy.service != service.id:
        raise KeyError(deploy.id)
    return deploy


def get_deploy(asked: Asked) -> Answer:
    with asked.platform.book.lock:
        return 200, deploy_shape(_deploy(asked))


def cancel_deploy(asked: Asked) -> Answer:
    deploy, p = _deploy(asked), asked.platform

    def cancel() -> None:
        if deploy.status not in IN_FLIGHT:
            raise Refused(f"deploy is not in progress: {deploy.status}", 409)
        p.cancelled.add(deploy.id)

    p.do(cancel)
    return 200, deploy_shape(deploy)


def rollback(asked: Asked) -> Answer:
    """A new deploy of what an earlier one built, with the variables of that one. Auto-deploy stays as it is."""
    p, service = asked.platform, service_of(asked)
    target = p.book.deploy(str(asked.fields().get("deployId", "")))
    if target.service != service.id:
        raise KeyError(target.id)
    if target.status not in ("live", "deactivated"):
        raise Refused(f"cannot roll back to a deploy that is {target.status}")
    deploy = p.do(lambda: p.begin(service, target.commit, "rollback", target.env))
    return 201, deploy_shape(deploy)


# One-off jobs


def _job(book: Book, service: Service, ident: str) -> Job:
    found = next((one for one in book.jobs if one.id == ident and one.service == service.id), None)
    if found is None:
        raise KeyError(ident)
    return found


def list_jobs(asked: Asked) -> Answer:
    service = service_of(asked)
    with asked.platform.book.lock:
        found = [job_shape(one) for one in reversed(asked.platform.book.jobs) if one.service == service.id]
    return page(asked, "job", [(one["id"], one) for one in found])


def create_job(asked: Asked) -> Answer:
    p, service = asked.platform, service_of(asked)
    line = asked.fields().get("startCommand")
    if not isinstance(line, str) or not line.strip():
        raise Refused("startCommand is required")
    return 201, job_shape(p.do(lambda: new_job(p, service, line)))


def get_job(asked: Asked) -> Answer:
    service = service_of(asked)
    with asked.platform.book.lock:
        return 200, job_shape(_job(asked.platform.book, service, asked.words[1]))


def cancel_job(asked: Asked) -> Answer:
    p, service = asked.platform, service_of(asked)
    job = _job(p.book, service, asked.words[1])
    if job.status in ENDED_JOBS:
        raise Refused(f"job is not running: {job.status}", 409)
    p.do(lambda: p.cancelled.add(job.id))
    return 200, job_shape(job)


ROUTES = [
    ("GET", "/services/{id}/deploys", list_deploys),
    ("POST", "/services/{id}/deploys", create_deploy),
    ("GET", "/services/{id}/deploys/{deploy}", get_deploy),
    ("POST", "/services/{id}/deploys/{deploy}/cancel", cancel_deploy),
    ("POST", "/services/{id}/rollback", rollback),
    ("GET", "/services/{id}/jobs", list_jobs),
    ("POST", "/services/{id}/jobs", create_job),
    ("GET", "/services/{id}/jobs/{job}", get_job),
    ("POST", "/services/{id}/jobs/{job}/cancel", cancel_job),
]
