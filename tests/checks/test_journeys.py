"""What a journey can say, and what becomes of it: against a small app of our own, over real HTTP."""

from __future__ import annotations

import email.message
import email.utils
import mailbox
import re
import shutil
import socket
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from checks.journeys import file_problems
from checks.journeys.model import Csrf, File, Journey, Mail, Step
from state.verdicts import Outcome, Verdict
from tests.checks.small_app import Site, running

JOURNEYS = Path(__file__).parents[2] / "journeys.toml"


@pytest.fixture(scope="module")
def servers():
    with running() as site:
        yield site


@pytest.fixture
def site(servers: Site):
    servers.faults.clear()
    servers.asked.clear()
    servers.count = 0
    return servers


@pytest.fixture
def walk(look, site):
    """`await walk("step = [ … ]")` -> Outcome of the journey "j"."""

    async def walked(text: str, **with_: object) -> Outcome:
        (look.project / "j.toml").write_text(text if "[journey" in text else f"[journey.j]\n{text}")
        return await look("http.journey", {"base_url": site.app, "file": "j.toml", "name": "j", **with_})

    return walked


async def passes(walk, text: str, **with_: object) -> Outcome:
    outcome = await walk(text, **with_)
    assert outcome.verdict is Verdict.PASS, outcome
    return outcome


async def fails(walk, text: str, said: str) -> Outcome:
    outcome = await walk(text)
    assert outcome.verdict is Verdict.FAIL, outcome
    assert said in outcome.actual
    return outcome


# --- what is expected ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        "status = '2xx'",
        "status = [404, 200]",
        "contains = ['next <b>page']",
        "lacks = ['previous']",
        r"matches = ['name=.box.\s']",
        "header_is = { X-csrf = 'header-token-1' }",
        "header_matches = { Content-Type = '^text/html' }",
        "ends_at = '/page'",
        "ends_at = '${base_url}/page'",
    ],
)
async def test_a_step_that_is_as_declared_passes(walk, step):
    await passes(walk, f"step = [{{ name = 'x', path = '/page', {step} }}]")


@pytest.mark.parametrize(
    ("path", "step", "said"),
    [
        ("/page", "status = '4xx'", "status 200, not 4xx"),
        ("/page", "status = [201, '3xx']", "status 200, not 201 or 3xx"),
        ("/page", "contains = ['previous']", "does not contain 'previous'"),
        ("/page", "lacks = ['next']", "contains 'next'"),
        ("/page", "matches = ['^nothing$']", "does not match ^nothing$"),
        ("/page", "header_is = { X-Gone = 'a' }", "header X-Gone is missing"),
        ("/page", "header_matches = { Content-Type = 'json' }", "no match of json"),
        ("/page", "json_is = { a = 1 }", "not JSON"),
        ("/whoami", "json_is = { '$.a.b[?@.c == 2].d' = 'three' }", "= two, not three"),
        ("/whoami", "json_is = { 'a.b.7' = 1 }", "a.b.7 is missing"),
        ("/whoami", "json_is = { yes = 1 }", "yes = True, not 1"),
        ("/keys", "ends_at = '/keys'", "ended at /login, not /keys"),
        ("/keys", "follow = false, status = '3xx', redirects_to = '/else'", "redirects to /login, not /else"),
        ("/page", "redirects_to = '/else'", "no redirect to /else"),
        ("/big", "lacks = ['y']", "too large"),
        ("/big", "contains = ['y']", "in the part of the body that was read"),
        ("/page", "capture = { a = 'css:#none' }", "nothing to capture as a: no css:#none"),
        ("/whoami", "capture = { a = 'json:$.none' }", "nothing to capture as a"),
    ],
)
async def test_a_step_that_is_not_fails_and_says_in_what(walk, path, step, said):
    await fails(walk, f"""step = [{{ name = "x", path = "{path}", {step} }}]""", said)


async def test_values_are_captured_from_everywhere(walk):
    text = """
    [journey.j]
    [[journey.j.step]]
    name = "page"
    path = "/page"
    [journey.j.step.capture]
    address = "css:a.next@href"
    text = "css:a.next"
    head = "header:x-csrf"
    cookie = "cookie:csrftoken"
    pattern = 'name="kept" value="([^"]+)"'
    [[journey.j.step]]
    name = "json"
    path = "/whoami"
    capture = { two = "json:$.a.b[?@.c == 2].d", one = "json:a.b.0.c" }
    [[journey.j.step]]
    name = "redirect"
    path = "/away"
    query = { to = "/echo?found=it" }
    capture = { found = "query:found" }
    [[journey.j.step]]
    name = "all of it"
    path = "/echo"
    query = { q = "${address}|${text}|${head}|${cookie}|${pattern}|${two}|${one}|${found}" }
    json_is = { "args.q" = "/next?a=1&b=2|next page|header-token-1|cookie-token-1|as it is|two|1|it" }
    """
    await passes(walk, text)


# --- forms and tokens ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("csrf", "expected"),
    [
        ('{ input = "csrf", field = "csrf" }', """{ "form.csrf" = 'a&b"token' }"""),
        ('{ meta = "csrf-token", header = "X-CSRFToken" }', '{ csrf = "meta-token-1" }'),
        ('{ cookie = "csrftoken", header = "X-CSRFToken" }', '{ csrf = "cookie-token-1" }'),
        (
            '{ cookie = "csrftoken", header = "X-CSRFToken", field = "c" }',
            '{ csrf = "cookie-token-1", "form.c" = "cookie-token-1" }',
        ),
        ('{ from_header = "X-Csrf", header = "X-CSRFToken" }', '{ csrf = "header-token-1" }'),
    ],
)
async def test_the_token_is_found_and_sent_as_declared_once(walk, csrf, expected):
    text = f"""
    csrf = {csrf}
    step = [
      {{ name = "page", path = "/page" }},
      {{ name = "send", method = "POST", path = "/echo", csrf = true, json_is = {expected} }},
    ]"""
    await passes(walk, text)


async def test_a_page_without_the_token_is_said(walk):
    text = 'csrf = { meta = "gone", header = "X" }\nstep = [{ name = "p", path = "/page" }, '
    await fails(walk, text + '{ name = "s", method = "POST", path = "/echo", csrf = true }]', "has no meta gone")


async def test_a_form_is_submitted_with_its_hidden_fields_and_those_given(walk):
    text = """step = [
      { name = "page", path = "/page" },
      { name = "send", submit = "form#f", form = { mine = "1" }, json_is = { "form.csrf" = 'a&b"token', "form.kept" = "as it is", "form.mine" = "1" } },
    ]"""
    await passes(walk, text)
    await fails(walk, text.replace("form#f", "form#g"), "the page before has no form#g")


async def test_visitors_have_cookies_of_their_own(walk):
    text = """step = [
      { name = "one", path = "/whoami", capture = { a = "json:n" } },
      { name = "one again", path = "/whoami", json_is = { n = "${a}" } },
      { name = "another", as = "other", path = "/whoami", capture = { b = "json:n" }, differ = ["a", "b"] },
      { name = "none", cookies = false, path = "/whoami", capture = { c = "json:n" }, differ = ["a", "c"] },
    ]"""
    await passes(walk, text)
    await fails(walk, text.replace('as = "other", ', ""), "a and b are the same")


# --- waiting, cleaning up -----------------------------------------------------------------------------------------


async def test_what_is_not_there_yet_is_waited_for_with_a_bound(walk, site):
    await passes(walk, 'step = [{ name = "x", path = "/late", within = "10s" }]')
    assert site.count == 4
    await fails(walk, 'step = [{ name = "x", path = "/gone", within = "300ms" }]', "status 404")


async def test_what_was_made_is_removed_even_where_a_step_fails(walk, site):
    text = """
    step = [
      { name = "make", method = "POST", path = "/things", form = { text = "of ${unique}" }, status = 201, capture = { thing = "json:id" } },
      { name = "fails", path = "/page", contains = ["what is not there"] },
      { name = "never", path = "/page", capture = { other = "css:a" } },
    ]
    finally = [
      { name = "remove", method = "DELETE", path = "/things/${thing}", status = [204, 404] },
      { name = "remove the other", method = "DELETE", path = "/things/${other}", status = [204, 404] },
    ]"""
    outcome = await fails(walk, text, "step 2 of 3, fails")
    assert "not cleaned up" not in outcome.actual
    assert [(m, p.rstrip("?")) for m, p, *_ in site.asked][-1][0] == "DELETE"
    assert sum(m == "DELETE" for m, *_ in site.asked) == 1
    site.faults.add("undeletable")
    left = await walk(text.replace("what is not there", "next"))
    assert left.verdict is Verdict.WARN
    assert "not cleaned up: remove: status 403" in left.actual


async def test_a_walk_that_is_stopped_cleans_up_too(look, walk, site, until):
    import asyncio

    cancel = asyncio.Event()
    (look.project / "j.toml").write_text("""[journey.j]
    step = [
      { name = "make", method = "POST", path = "/things", form = { text = "x" }, status = 201, capture = { thing = "json:id" } },
      { name = "waits", path = "/gone", within = "1m" },
    ]
    finally = [{ name = "remove", method = "DELETE", path = "/things/${thing}", status = 204 }]""")
    with_ = {"base_url": site.app, "file": "j.toml", "name": "j"}
    running = asyncio.ensure_future(look("http.journey", with_, cancel=cancel))
    await until(lambda: any("/gone" in path for _, path, *_ in site.asked))
    cancel.set()
    outcome = await running
    assert outcome.verdict is Verdict.ERROR
    assert site.asked[-1][0] == "DELETE"


async def test_after_a_restart_the_app_must_be_healthy_again(walk, site, look):
    (look.project / "count").write_text("")
    run = f"""run = ["{sys.executable}", "-c", "print('restarted')"]"""
    healthy = f"step = [{{ name = 'restart', {run}, healthy = '/late', within = '10s' }}]"
    await passes(walk, healthy)
    assert site.count == 6  # three times in a row
    await fails(
        walk, healthy.replace("/late", "/gone").replace("10s", "200ms"), "not healthy again: /gone answers 404"
    )
    await fails(walk, f"""step = [{{ name = "r", run = ["{sys.executable}", "-c", "exit(3)"] }}]""", "exit code 3")


# --- mails --------------------------------------------------------------------------------------------------------


def a_mail(to: str, text: str, when: str | None = None) -> email.message.EmailMessage:
    message = email.message.EmailMessage()
    message["To"], message["Subject"] = to, "Żółć"
    message["Date"] = when or email.utils.formatdate()
    message.set_content(text)
    return message


MAIL = """step = [
  { name = "mail", mail = { to = "me@x.example", contains = ["/reset/"] }, capture = { t = '/reset/(\\w+)' }, within = "5s" },
  { name = "use", path = "/echo", query = { t = "${t}" }, json_is = { "args.t" = "new" } },
]"""


@pytest.mark.parametrize("kind", ["folder", "maildir", "mbox", "command"])
async def test_the_newest_mail_to_the_right_person_is_read(walk, look, kind):
    old = a_mail("me@x.example", "/reset/old", "Mon, 01 Jan 2024 00:00:00 +0000")
    mails = [old, a_mail("you@x.example", "/reset/yours"), a_mail("Me <me@x.example>", "go to\n/reset/new\n")]
    outbox, with_ = look.project / "out", {"outbox": "out"}

    def arrive() -> None:
        if kind == "folder":
            outbox.mkdir()
            for n, one in enumerate(mails[1:]):
                (outbox / f"{n}.eml").write_bytes(one.as_bytes())
        elif kind == "maildir":
            box = mailbox.Maildir(outbox)
            for one in mails[1:]:
                box.add(one)
        else:
            box = mailbox.mbox(look.project / "made")
            for one in mails:
                box.add(one)
            box.flush()
            shutil.copy(look.project / "made", outbox)

    if kind == "command":
        arrive()
        read = f"print(open({str(outbox)!r}).read())"
        with_ = {"commands": {"mail": [sys.executable, "-c", read]}}
    else:
        threading.Timer(0.05, arrive).start()  # it comes while the step waits
    await passes(walk, MAIL, **with_)
    assert "/reset/" not in repr(look.lines)


async def test_a_mail_that_does_not_come_is_a_failure_and_no_outbox_an_error(walk, look):
    (look.project / "out").mkdir()
    outcome = await walk(MAIL.replace("5s", "200ms"), outbox="out")
    assert (outcome.verdict, "no mail to me@x.example" in outcome.actual) == (Verdict.FAIL, True)
    outcome = await walk(MAIL)
    assert (outcome.verdict, "no outbox" in outcome.actual) == (Verdict.ERROR, True)


# --- redirects, trouble on the wire -------------------------------------------------------------------------------


async def test_another_host_gets_neither_headers_nor_cookies_nor_the_form(walk, site):
    send = """method = "POST", path = "/away", form = { password = "p4ssw0rd-x" }"""
    text = """step = [
      { name = "cookie", path = "/page" },
      { name = "away", path = "/away", query = { to = "TO/seen" }, headers = { Authorization = "Bearer s3cret-x" }, STEP },
    ]""".replace("TO", site.provider)
    lacks = 'lacks = ["s3cret-x", "Authorization", "cookie-token"], ends_at = "/seen"'
    await passes(walk, text.replace("STEP", lacks))
    posted = f"""step = [{{ name = "send", {send}, query = {{ to = "{site.provider}/seen" }} }}]"""
    outcome = await fails(walk, posted, f"would send the form to {site.provider}")
    assert f"307 to {site.provider}/seen" in outcome.evidence["exchange 2"]
    assert "p4ssw0rd" not in repr(outcome)


async def test_redirects_are_shown_one_after_the_other_without_their_secrets(walk):
    outcome = await fails(
        walk, 'step = [{ name = "x", path = "/oauth/start", ends_at = "/x" }]', "ended at /authorize"
    )
    chain = outcome.evidence["exchange 2"]
    assert chain.startswith("302 to ")
    assert "/authorize?" in chain
    assert "state=•••" in chain


async def test_redirects_that_lead_nowhere_are_said(walk):
    await fails(walk, 'step = [{ name = "x", path = "/loop" }]', "more than 8 redirects")
    text = 'step = [{ name = "x", path = "/away", query = { to = "file:///etc/passwd" } }]'
    await fails(walk, text, "a redirect to file:, which is no web page")


async def test_trouble_on_the_wire_is_told_for_what_it_is(look, walk, site):
    step = 'step = [{ name = "x", path = "PATH", within = "1ms" }]'
    port = site.app.rpartition(":")[2]
    await fails(walk, step.replace("PATH", f"https://127.0.0.1:{port}/"), "TLS failed")
    await fails(walk, step.replace("PATH", "http://no-such-host.invalid/"), "host name is not known")
    await fails(walk, step.replace("PATH", "http://127.0.0.1:1/"), "refused")
    outcome = await walk(step.replace("PATH", "/page"), slow="0.01ms")
    assert (outcome.verdict, "slow: x took" in outcome.actual) == (Verdict.WARN, True)


async def test_a_server_that_drips_is_given_up(walk, monkeypatch):
    monkeypatch.setattr("checks.journeys.browser.TIMEOUT", 0.3)
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not done.wait(0.02):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    threading.Thread(target=drip, daemon=True).start()
    path = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    try:
        await fails(walk, f'step = [{{ name = "x", path = "{path}" }}]', "not at its end within")
    finally:
        done.set()
        listener.close()


# --- secrets ------------------------------------------------------------------------------------------------------


async def test_no_secret_is_shown_of_a_step_that_failed(look, walk):
    text = """
    [vars]
    password = 'CANARY-pass"<&word ${secret}'
    [journey.j]
    step = [
      { name = "a", path = "/leaky", query = { canary = "one" }, status = 500, capture = { api_key = "css:#k", sid = "cookie:sid" } },
      { name = "b", method = "POST", path = "/leaky", query = { canary = "two", token = "CANARY-query" }, csrf = true, form = { password = "${password}", text = "seen" }, headers = { Authorization = "Bearer CANARY-bearer" }, capture = { new_key = "css:#k" }, contains = ["${api_key}", "more"] },
    ]"""
    outcome = await walk(text)
    assert outcome.verdict is Verdict.FAIL, outcome
    said = repr(outcome) + repr(look.lines) + repr(look.steps)
    assert "CANARY" not in said.replace("canary", "")
    assert "text=seen" in outcome.evidence["exchange 1"]
    assert "you said" in " ".join(map(str, outcome.evidence.values()))


# --- the file -----------------------------------------------------------------------------------------------------


def test_every_mistake_of_a_file_is_told_with_its_line_and_the_mend(tmp_path):
    path = tmp_path / "journeys.toml"
    path.write_text(
        "[journey.a]\nfirst = ['bb']\nstep = [{ name = 'x', path = '/' }]\n"
        "[journey.b]\nstep = [\n"
        "  { name = 'x', path = '/${ussr}', capture = { n = 'css:[[', user = 'json:$.a[' } },\n"
        "  { name = 'y', path = '/${user}', status = '9xx', within = 'soon', matches = ['('] },\n"
        "  { name = 'z', method = 'POST', path = '/', within = '5s' },\n"
        "  { name = 'w', path = '/', healthy = '/h', differ = ['n', 'm'], when = 'usr' },\n"
        "]\nfinally = [{ name = 'f' }]\n"
    )
    found = {(p.line, p.path): p for p in file_problems(path, {})}
    assert {line for line, _ in found} == {2, 6, 7, 8, 9, 11}
    assert len(found) == 12
    unknown = found[6, "journey.b.step[0].path"]
    assert "no variable 'ussr'" in unknown.message
    assert found[2, "journey.a.first[0]"].mend == "did you mean 'b'?"
    assert all(p.message for p in found.values())


def test_a_token_that_cannot_be_sent_is_a_mistake(tmp_path):
    path = tmp_path / "journeys.toml"
    step = "[{ name = 'x', method = 'POST', path = '/', csrf = true, json = { a = 1 } }]"
    path.write_text(f"[journey.a]\nstep = {step}\n[journey.b]\ncsrf = {{ meta = 't' }}\nstep = {step}\n")
    assert [(p.line, p.mend) for p in file_problems(path, {})] == [
        (2, "name header in [csrf]"),
        (3, "name field or header"),
        (5, "name header in [csrf]"),
    ]
    path.write_text(f"[csrf]\nmeta = 't'\nheader = 'X'\n[journey.a]\nstep = {step}\n")
    assert file_problems(path, {}) == []


def test_wrong_keys_and_types_are_told_all_at_once(tmp_path):
    path = tmp_path / "journeys.toml"
    path.write_text(
        "[journey.a]\ntitel = 'x'\n[[journey.a.step]]\nname = 'x'\npath = 7\n[[journey.a.step]]\nname = 'y'\npth = '/'\n"
    )
    found = file_problems(path, {})
    assert [(p.line, p.mend) for p in found if "did you mean" in p.mend] == [
        (2, "did you mean 'title'?"),
        (8, "did you mean 'path'?"),
    ]
    assert any(p.line == 5 for p in found)


def test_variables_that_an_item_sets_are_known_and_others_not(tmp_path):
    path = tmp_path / "journeys.toml"
    path.write_text("[journey.a]\nstep = [{ name = 'x', path = '/${shop}' }]\n")
    assert file_problems(path, {"a": {"shop"}}) == []
    assert len(file_problems(path, {"a": set()})) == 1


def test_the_shipped_journeys_hold():
    assert file_problems(JOURNEYS, {}) == []


def test_every_key_is_explained_on_the_page_and_no_other():
    page = (JOURNEYS.parent / "docs" / "journeys.md").read_text()
    told = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert told == {
        field.encode_name for kind in (File, Journey, Step, Csrf, Mail) for field in msgspec.structs.fields(kind)
    }


@pytest.mark.parametrize(
    "text", re.findall(r"```toml\n(.*?)```", (JOURNEYS.parent / "docs" / "journeys.md").read_text(), re.DOTALL)
)
def test_the_examples_of_the_page_hold(tmp_path, text):
    (tmp_path / "j.toml").write_text(text)
    assert file_problems(tmp_path / "j.toml", {}) == []


# --- log in with … ------------------------------------------------------------------------------------------------

PERSON = {"oauth_provider": "local", "oauth_user": "ada", "oauth_password": "lovelace-1815"}


@pytest.fixture
def oauth(look, site):
    async def walked(**vars: str) -> Outcome:
        said = {
            "oauth_client_id": "small",
            "oauth_redirect_uri": f"{site.app}/oauth/callback",
            "oauth_scope": "openid",
        }
        with_ = {"base_url": site.app, "file": str(JOURNEYS), "name": "oauth", "vars": said | vars}
        return await look("http.journey", with_)

    return walked


@pytest.mark.parametrize("consent", [False, True])
async def test_the_whole_way_through_a_provider_ends_logged_in(oauth, site, look, consent):
    site.faults |= {"consent"} if consent else set()
    outcome = await oauth(**PERSON, **({"oauth_consent": "#ok"} if consent else {}))
    assert outcome.verdict is Verdict.PASS, (outcome, look.lines)
    assert "lovelace" not in repr(outcome) + repr(look.lines)


async def test_without_an_account_there_the_redirect_is_judged(oauth):
    outcome = await oauth(oauth_provider="github")
    assert outcome.verdict is Verdict.PASS, outcome


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("same state", "first_state and second_state are the same"),
        ("no state", "the redirect says no state"),
        ("token flow", "response_type is token, not code"),
        ("state unchecked", "a tampered state is refused: ended at /keys, not /login"),
        ("state not bound", "somebody else's answer is refused: ended at /keys, not /login"),
    ],
)
async def test_an_app_that_does_it_wrongly_fails(oauth, site, fault, said):
    site.faults.add(fault)
    outcome = await oauth(**PERSON)
    assert outcome.verdict is Verdict.FAIL, outcome
    assert said in outcome.actual


async def test_another_client_id_or_a_wrong_password_fails(oauth):
    other = await oauth(**PERSON, oauth_client_id="other")
    assert "client_id is small, not other" in other.actual
    refused = await oauth(**PERSON | {"oauth_password": "not this one"})
    assert (refused.verdict, "status 401" in refused.actual) == (Verdict.FAIL, True)


async def test_where_nothing_is_configured_nobody_knows_and_the_hint_says_how_to_go_on(oauth, site):
    site.faults.add("no link")
    outcome = await oauth()
    assert outcome.verdict is Verdict.UNKNOWN
    assert "mark this item n/a" in outcome.hint
    assert "oauth_provider" in outcome.hint
    missing = await oauth(oauth_provider="local")
    assert missing.verdict is Verdict.FAIL
