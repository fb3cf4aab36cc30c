"""Services and their variables, as the API has them."""

from typing import Any

from rehearsal.render.api import Answer, Asked, page
from rehearsal.render.book import Service, stamp
from rehearsal.render.instances import room_of
from rehearsal.render.platform import Platform, Refused

BUILD_COMMAND = "pip install -r requirements.txt"
START_COMMAND = "gunicorn -c gunicorn.conf.py wsgi:app"


def service_shape(p: Platform, one: Service) -> dict[str, Any]:
    room = room_of(p.layout, one)
    details: dict[str, Any] = {
        "buildPlan": "starter",
        "env": "python",
        "envSpecificDetails": {
            "buildCommand": BUILD_COMMAND,
            "startCommand": START_COMMAND,
            "preDeployCommand": one.pre_deploy,
        },
        "healthCheckPath": one.health_path,
        "maintenanceMode": {"enabled": room.maintenance.exists(), "uri": ""},
        "maxShutdownDelaySeconds": 30,
        "numInstances": 1,
        "openPorts": [{"port": one.port, "protocol": "TCP"}],
        "plan": "starter",
        "previews": {"generation": "off"},
        "pullRequestPreviewsEnabled": "no",
        "region": "frankfurt",
        "runtime": "python",
        "url": room.url,
    }
    if one is p.production:
        mount = "/opt/render/project/src/instance"
        details["disk"] = {"id": one.id.replace("srv-", "dsk-"), "name": "data", "mountPath": mount, "sizeGB": 1}
    return {
        "id": one.id,
        "autoDeploy": "yes" if one.auto_deploy else "no",
        "autoDeployTrigger": "commit" if one.auto_deploy else "off",
        "branch": one.branch,
        "createdAt": one.created_at,
        "dashboardUrl": f"https://dashboard.render.com/web/{one.id}",
        "name": one.name,
        "notifyOnFail": "default",
        "ownerId": p.book.owner,
        "repo": p.layout.repository.as_uri(),
        "rootDir": "",
        "slug": one.name,
        "suspended": "suspended" if one.suspended else "not_suspended",
        "suspenders": ["user"] if one.suspended else [],
        "type": "web_service",
        "updatedAt": one.updated_at,
        "serviceDetails": details,
    }


def owner_shape(p: Platform) -> dict[str, Any]:
    return {"id": p.book.owner, "name": "SkyModder", "email": "dev@skymodder.example", "type": "team"}


def service_of(asked: Asked) -> Service:
    book = asked.platform.book
    found = next((one for one in book.services if one.id == asked.words[0]), None)
    if found is None:
        raise KeyError(asked.words[0])
    return found


def list_services(asked: Asked) -> Answer:
    p = asked.platform
    names, kinds, owners = asked.params.get("name"), asked.params.get("type"), asked.params.get("ownerId")
    suspended = asked.params.get("suspended")
    with p.book.lock:
        shapes = [service_shape(p, one) for one in p.book.services]
    found = [
        one
        for one in shapes
        if (not names or one["name"] in names)
        and (not kinds or one["type"] in kinds)
        and (not owners or one["ownerId"] in owners)
        and (not suspended or one["suspended"] in suspended)
    ]
    return page(asked, "service", [(one["id"], one) for one in found])


def get_service(asked: Asked) -> Answer:
    with asked.platform.book.lock:
        return 200, service_shape(asked.platform, service_of(asked))


def update_service(asked: Asked) -> Answer:
    """autoDeploy, autoDeployTrigger, branch; the health check, the pre-deploy command and maintenance mode."""
    p, service, fields = asked.platform, service_of(asked), asked.fields()
    details = fields.get("serviceDetails", {})
    auto = fields.get("autoDeploy", {"off": "no"}.get(fields.get("autoDeployTrigger", "")))
    auto = "yes" if auto is None and fields.get("autoDeployTrigger") in ("commit", "checksPass") else auto
    if auto not in (None, "yes", "no") or not isinstance(details, dict):
        raise Refused("invalid request body")
    mode = details.get("maintenanceMode")
    if mode is not None and not (isinstance(mode, dict) and isinstance(mode.get("enabled"), bool)):
        raise Refused("invalid maintenanceMode")

    def change() -> dict[str, Any]:
        with p.book.change():
            if auto is not None:
                service.auto_deploy = auto == "yes"
            service.branch = str(fields.get("branch", service.branch))
            service.health_path = str(details.get("healthCheckPath", service.health_path))
            specific = details.get("envSpecificDetails") or {}
            service.pre_deploy = str(specific.get("preDeployCommand", service.pre_deploy))
            service.updated_at = stamp()
        if mode is not None:
            file = room_of(p.layout, service).maintenance
            file.parent.mkdir(exist_ok=True)
            file.touch() if mode["enabled"] else file.unlink(missing_ok=True)
        return service_shape(p, service)

    return 200, p.do(change)


def suspend(asked: Asked) -> Answer:
    service = service_of(asked)
    asked.platform.do(lambda: asked.platform.suspend(service))
    return 202, None


def resume(asked: Asked) -> Answer:
    service = service_of(asked)
    asked.platform.do(lambda: asked.platform.resume(service))
    return 202, None


def restart(asked: Asked) -> Answer:
    p, service = asked.platform, service_of(asked)
    if p.book.live(service.id) is None or service.suspended:
        raise Refused("the service has nothing live to restart", 409)
    p.do(lambda: p.run(p.restart(service)))
    return 200, None


def list_instances(asked: Asked) -> Answer:
    p, service = asked.platform, service_of(asked)
    one = p.instances.get(service.id)
    if one is None:
        return 200, []
    return 200, [{"id": one.id, "createdAt": p.book.deploy(one.deploy).updated_at}]


# Variables


def list_env(asked: Asked) -> Answer:
    service = service_of(asked)
    with asked.platform.book.lock:
        pairs = sorted(service.env.items())
    return page(asked, "envVar", [(key, {"key": key, "value": value}) for key, value in pairs])


def replace_env(asked: Asked) -> Answer:
    """All of them at once; a deploy takes them, a restart does not."""
    service, given = service_of(asked), asked.body
    if not isinstance(given, list) or not all(isinstance(one, dict) and one.get("key") for one in given):
        raise Refused("invalid request body: an array of {key, value} is needed")
    _set_env(asked.platform, service, {str(one["key"]): str(one.get("value", "")) for one in given})
    return list_env(asked)


def get_env(asked: Asked) -> Answer:
    service, key = service_of(asked), asked.words[1]
    return 200, {"key": key, "value": service.env[key]}


def put_env(asked: Asked) -> Answer:
    service, key, value = service_of(asked), asked.words[1], asked.fields().get("value")
    if not isinstance(value, str):
        raise Refused("invalid request body: value is needed")
    _set_env(asked.platform, service, service.env | {key: value})
    return 200, {"key": key, "value": value}


def delete_env(asked: Asked) -> Answer:
    service, key = service_of(asked), asked.words[1]
    _set_env(asked.platform, service, {name: value for name, value in service.env.items() if name != key})
    return 204, None


def _set_env(p: Platform, service: Service, env: dict[str, str]) -> None:
    def change() -> None:
        with p.book.change():
            service.env, service.updated_at = env, stamp()

    p.do(change)


ROUTES = [
    ("GET", "/services", list_services),
    ("GET", "/services/{id}", get_service),
    ("PATCH", "/services/{id}", update_service),
    ("POST", "/services/{id}/suspend", suspend),
    ("POST", "/services/{id}/resume", resume),
    ("POST", "/services/{id}/restart", restart),
    ("GET", "/services/{id}/instances", list_instances),
    ("GET", "/services/{id}/env-vars", list_env),
    ("PUT", "/services/{id}/env-vars", replace_env),
    ("GET", "/services/{id}/env-vars/{key}", get_env),
    ("PUT", "/services/{id}/env-vars/{key}", put_env),
    ("DELETE", "/services/{id}/env-vars/{key}", delete_env),
]
