"""One-off jobs: a command with the code and the variables of a service, without its disk."""

import shutil

from rehearsal.render import code
from rehearsal.render.book import Deploy, Job, Service, new_id, stamp
from rehearsal.render.deploying import Failed, Steps, argv_of, command
from rehearsal.render.platform import Platform, Refused

JOB_TIME = 600.0


def new_job(p: Platform, service: Service, line: str) -> Job:
    """Run LINE once with the code and the variables of SERVICE. Raises Refused."""
    live = p.book.live(service.id)
    if live is None:
        raise Refused("the service has no successful deploy to run it with")
    try:
        argv = argv_of(line)
    except ValueError as error:
        raise Refused(f"invalid startCommand: {error}") from error
    if not argv:
        raise Refused("startCommand is missing")
    job = Job(new_id("job"), service.id, line)
    with p.book.change():
        p.book.jobs.append(job)
    p.run(_job(p, service, live, job, argv))
    return job


def _job(p: Platform, service: Service, live: Deploy, job: Job, argv: list[str]) -> Steps[None]:
    def stop() -> None:
        if job.id in p.cancelled:
            raise Failed("canceled", "The job was canceled")

    folder = p.layout.run / job.id
    with p.book.change():
        job.status, job.started_at = "running", stamp()
    status = "failed"
    try:
        code.checkout(p.layout.repository, live.commit, folder)
        done = yield from command(p, service, argv, folder, JOB_TIME, resource=job.id, kind="app", stop=stop)
        status = "succeeded" if done == 0 else "failed"
    except Failed as failure:
        status = failure.status
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with p.book.change():
            job.status, job.finished_at = status, stamp()
