"""What the prober sends, how it judges the reply, and where the time went."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import threading
import time

import pytest

from metrics.latency import Latency
from metrics.sources import SourceError, http
from metrics.sources.http import METRICS, HttpProber, Target
from metrics.tables import ConfigError, Table
from tests.metrics.http_server import certificate, recording
from tests.metrics.test_http import gather, probing

SECRET = "hunter2"
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl at hand")


def built(*targets: dict, **values) -> HttpProber:
    table = Table("metrics.http", {"targets": list(targets), "interval": "20ms", **values})
    prober = http.build(table)
    table.done()
    return prober


def refused(*targets: dict, **values) -> str:
    with pytest.raises(ConfigError) as error:
        built(*targets, **values)
    assert SECRET not in str(error.value) + repr(error.value)
    return error.value.key


async def test_every_metric_is_reported_once_at_each_look() -> None:
    async with recording() as server, probing(HttpProber([Target(f"http://127.0.0.1:{server.port}/")])) as prober:
        measured = await prober.sample()
    assert sorted(m.metric for m in measured) == sorted(METRICS)
    assert all(m.unit == METRICS[m.metric].unit for m in measured)


async def test_method_headers_and_body_arrive_and_no_secret_of_them_is_reported() -> None:
    async with recording() as server:
        url = f"http://user:{SECRET}@127.0.0.1:{server.port}/{SECRET}?q={SECRET}"
        post = {"url": url, "method": "POST", "headers": {"X-Key": SECRET}, "body": f"a={SECRET}", "expect": [201]}
        prober = built(post, {"url": url, "method": "PUT", "json": {"a": [1, SECRET]}, "expect": [201]})
        async with probing(prober):
            latest, probes, bad = await gather(prober, lambda m, n, b: n >= 4)
    assert bad == probes  # it answered 200: reasons are in what is reported
    assert SECRET not in repr(latest) + repr(prober) + repr(prober._targets)
    (first, body), (second, structured) = sorted(server.asked[:2])
    assert first.startswith(f"POST /{SECRET}?q={SECRET} HTTP/1.1\r\n")
    assert f"X-Key: {SECRET}" in first and f"Host: 127.0.0.1:{server.port}\r\n" in first
    assert "Authorization: Basic dXNlcjpodW50ZXIy\r\n" in first
    assert body == b"a=hunter2"
    assert second.startswith("PUT ") and "Content-Type: application/json" in second
    assert structured == b'{"a": [1, "hunter2"]}'


async def test_a_reply_without_the_text_it_must_hold_is_a_failure() -> None:
    async with recording() as server:
        server.body = "schön, healthy".encode()
        url = f"http://127.0.0.1:{server.port}/"
        prober = built({"url": url, "contains": "schön"}, {"url": url, "name": "absent", "contains": "sick"})
        async with probing(prober):
            latest, probes, bad = await gather(prober, lambda m, n, b: b > 0)
    detail = latest["http.error_rate"].detail
    assert bad < probes
    assert (detail["worst"], detail["worst_reasons"]) == ("absent", "text not found")


async def test_a_body_is_read_up_to_one_mebibyte_and_then_done() -> None:
    async with recording() as server:
        server.body = bytes(1 << 20) + b"late" + bytes(1 << 20)
        url = f"http://127.0.0.1:{server.port}/"
        prober = built({"url": url}, {"url": url, "name": "late", "contains": "late"})
        async with probing(prober):
            latest, _probes, _bad = await gather(prober, lambda m, n, b: b > 0 and n > b)
    assert latest["http.error_rate"].detail.get("reasons", "text not found") == "text not found"


async def test_redirects_are_not_followed() -> None:
    async with recording() as server:
        server.status = "302 Found"
        prober = built({"url": f"http://127.0.0.1:{server.port}/"})
        async with probing(prober):
            _latest, probes, bad = await gather(prober, lambda m, n, b: n >= 3)
    assert bad == probes
    assert not any("elsewhere" in head for head, _ in server.asked)


@pytest.mark.parametrize("connection", ["keep-alive", "new"])
async def test_a_new_connection_is_opened_for_each_probe_only_when_asked_for(connection) -> None:
    async with recording() as server:
        prober = built({"url": f"http://localhost:{server.port}/", "connection": connection})
        async with probing(prober):
            latest, probes, bad = await gather(prober, lambda m, n, b: n >= 8)
        asked = len(server.asked)
    assert bad == 0
    assert latest["http.first_byte"].volume == probes
    new = connection == "new"
    assert (server.connections >= asked) if new else (server.connections < asked)
    for part in ("http.dns", "http.connect"):
        assert latest[part].volume == probes if new else 1 <= latest[part].volume <= server.connections
    assert (latest["http.tls"].value, latest["http.tls"].volume) == (None, 0)


async def test_the_newest_latencies_go_along_as_a_histogram_that_merges_to_all_probes(server) -> None:
    parts, total = [], 0
    async with probing(HttpProber([Target(server.url)], interval=0.02)) as prober:
        while total < 20:
            await server.after(3)
            newest = {m.metric: m for m in await prober.sample()}["http.latency"]
            total += newest.volume
            parts += [newest.latency] if newest.latency else []
            assert (newest.value is None) == (newest.volume == 0) == (newest.latency is None)
    assert Latency.merged(parts).samples == total


async def test_a_target_that_hangs_takes_no_send_from_another(server) -> None:
    server.open.clear()
    async with recording() as well:
        prober = built({"url": server.url, "name": "hung"}, {"url": f"http://127.0.0.1:{well.port}/"}, concurrency=2)
        async with probing(prober):
            latest, probes, bad = await gather(prober, lambda m, n, b: len(well.asked) >= 20)
    assert server.requests <= 2
    assert latest["http.error_rate"].detail.get("worst", "hung") == "hung"
    assert probes - bad >= 15


async def test_a_look_up_that_hangs_takes_one_thread_and_no_probe_of_another_target(monkeypatch) -> None:
    real, hung = socket.getaddrinfo, threading.Event()

    def resolver(host, *args, **kwargs):
        if host == "hung.example":
            hung.wait(20)
        return real(host if host != "hung.example" else "localhost", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    async with recording() as server:
        urls = [f"http://{host}:{server.port}/" for host in ("hung.example", "localhost")]
        prober = HttpProber([Target(url, timeout=0.1, connection="new") for url in urls], interval=0.02)
        try:
            async with probing(prober):
                await gather(prober, lambda m, n, b: len(server.asked) >= 10 and b >= 5)
                waiting = [thread for thread in threading.enumerate() if thread.name == "prober-dns"]
                assert 1 <= len(waiting) <= 2
        finally:
            hung.set()


async def test_a_timeout_says_what_it_waited_for(server) -> None:
    server.open.clear()
    for url, stage in ((server.url, "first byte"), (server.url.replace("http:", "https:"), "TLS")):
        async with probing(built({"url": url, "timeout": "100ms"})) as prober:
            latest, _, _ = await gather(prober, lambda m, n, b: m["http.error_rate"].volume > 0)
        assert latest["http.error_rate"].detail["reasons"] == f"timeout ({stage})"


async def test_what_holds_up_this_machine_counts_too_and_is_told_as_its_own(server) -> None:
    async with probing(HttpProber([Target(server.url)], interval=0.02)) as prober:
        await gather(prober, lambda m, n, b: n >= 2)
        time.sleep(0.3)  # noqa: ASYNC251  the event loop stands still: fifteen probes are not sent at their time
        whole, late = Latency(), 0.0
        while whole.samples < 24:
            await asyncio.sleep(0.01)
            newest = next(m for m in await prober.sample() if m.metric == "http.latency")
            late = max(late, float(newest.detail["late_ms"]))
            if newest.latency:
                whole.merge(newest.latency)
    assert whole.percentile(95) > 0.2
    assert late > 250


async def test_a_refusal_comes_quickly_and_counts_as_long_as_the_timeout() -> None:
    async with probing(built({"url": "http://127.0.0.1:1/", "timeout": "3s"})) as prober:
        latest, probes, bad = await gather(prober, lambda m, n, b: n >= 3)
    assert bad == probes
    assert latest["http.p50"].value >= 3000


async def test_targets_are_down_after_three_failures_and_unknown_before_three_probes(server) -> None:
    dead = Target("http://127.0.0.1:1/", name="gone", timeout=0.5)
    async with probing(HttpProber([Target(server.url), dead], interval=0.02)) as prober:
        first = {m.metric: m for m in await prober.sample()}["http.down"]
        latest, _, bad = await gather(prober, lambda m, n, b: bool(m["http.down"].value))
    assert first.value is None
    assert bad >= 3
    assert (latest["http.down"].value, latest["http.down"].detail["names"]) == (1, "gone")
    async with probing(HttpProber([Target(server.url)], interval=0.02)) as prober:
        latest, probes, _ = await gather(prober, lambda m, n, b: m["http.down"].value is not None)
    assert latest["http.down"].value == 0
    assert probes >= 3


@pytest.mark.parametrize(("method", "well"), [("GET", True), ("POST", False)])
async def test_a_kept_connection_that_ends_as_it_is_used_again_fails_no_request_that_may_be_sent_twice(
    method, well
) -> None:
    async with recording() as server:
        server.hang_up = True
        async with probing(built({"url": f"http://127.0.0.1:{server.port}/", "method": method})) as prober:
            _, _, bad = await gather(prober, lambda m, n, b: n >= 6)
    assert (bad == 0) == well


async def test_authorities_that_cannot_be_read_keep_the_prober_from_starting_and_not_the_checklist_from_loading(
    tmp_path, monkeypatch
) -> None:
    broken = tmp_path / SECRET
    broken.write_text("no certificate")
    for where in (broken, tmp_path / "nowhere"):
        monkeypatch.setenv("SSL_CERT_FILE", str(where))
        prober = built({"url": "HTTPS://localhost:1/"})
        with pytest.raises(SourceError, match="SSL_CERT_FILE") as error:
            await prober.start()
        assert SECRET not in str(error.value)
        await prober.stop()


@needs_openssl
async def test_a_tls_handshake_is_timed_and_a_certificate_that_does_not_verify_is_an_error(
    tmp_path, monkeypatch
) -> None:
    cert, key = certificate(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(cert, key)
    async with recording(serving) as server:
        trusted = {"url": f"https://localhost:{server.port}/", "connection": "new"}
        async with probing(built(trusted)) as prober:
            latest, probes, bad = await gather(prober, lambda m, n, b: b >= 3)
        assert bad == probes
        assert latest["http.tls"].value is None
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        async with probing(built(trusted)) as prober:
            latest, probes, bad = await gather(prober, lambda m, n, b: n >= 3)
        assert bad == 0
        assert latest["http.tls"].value > 0
        assert latest["http.tls"].volume == probes
        wrong_name = {"url": f"https://127.0.0.1:{server.port}/"}
        async with probing(built(wrong_name)) as prober:
            latest, probes, bad = await gather(
                prober, lambda m, n, b: m["http.error_rate"].detail.get("reasons", "") == "certificate"
            )
        assert bad == probes


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ({"verify": False}, "verify"),
        ({"url": f"http://:80/{SECRET}"}, "url"),
        ({"url": f"http://a:{SECRET}/"}, "url"),
        ({"method": "TRACE"}, "method"),
        ({"connection": "old"}, "connection"),
        ({"headers": {"X-Key": f"{SECRET}\r\nX: y"}}, "headers"),
        ({"headers": {"X Key": SECRET}}, "headers"),
        ({"headers": {"Content-Length": "3"}}, "headers"),
        ({"headers": {"X-Key": 3}}, "headers"),
        ({"json": SECRET}, "json"),
        ({"json": {"a": float("nan")}}, "json"),
        ({"json": {"a": 1}, "body": SECRET}, "json"),
        ({"method": "HEAD", "contains": SECRET}, "contains"),
        ({"timeout": "0s"}, "timeout"),
    ],
)
def test_a_target_that_cannot_be_asked_is_refused_by_key_and_without_its_value(target, key) -> None:
    assert refused({"url": f"http://a/{SECRET}", **target}) == f"metrics.http.targets[0].{key}"


def test_two_targets_of_one_name_are_refused() -> None:
    assert refused({"url": "http://a", "name": "a"}, {"url": "http://b", "name": "a"}) == "metrics.http.targets"
