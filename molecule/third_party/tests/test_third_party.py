# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each of the three applications does what it is for, asked over HTTP as its users do."""

from __future__ import annotations

import json
import typing as t

HTTPBIN = "curl --silent --show-error --max-time 30 --resolve httpbin.example.org:80:127.0.0.1 http://httpbin.example.org"
ARA = "curl --silent --show-error --max-time 30 --cacert /etc/ssl/ara.crt --resolve ara.example.org:443:127.0.0.1 https://ara.example.org"
EVENT = ["BEGIN:VEVENT", "UID:one", "DTSTAMP:20260101T000000Z", "DTSTART:20260102T100000Z", "SUMMARY:Deploy", "END:VEVENT"]
CALENDAR = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//x//EN", *EVENT, "END:VCALENDAR", ""])


PIDS = "pgrep --full --uid httpbin ^blue:httpbin"
MANY = """
import collections, http.client, json
connection, statuses = http.client.HTTPConnection("127.0.0.1", timeout=30), collections.Counter()
for _request in range(3500):
    connection.request("GET", "/status/200", headers={"Host": "httpbin.example.org"})
    answer = connection.getresponse()
    answer.read()
    statuses[answer.status] += 1
print(json.dumps(statuses))
"""


def test_mod_wsgi_is_the_one_from_pypi_and_the_distributions_is_off(host: t.Any) -> None:
    pid = host.check_output(PIDS).split()[0]
    maps = host.check_output("cat /proc/%s/maps", pid)
    modules = {line.split()[-1] for line in maps.splitlines() if "mod_wsgi" in line}
    assert len(modules) == 1
    assert "5.0.1" in modules.pop()
    assert host.run("a2query -q -m wsgi").rc != 0


def test_processes_are_replaced_after_their_number_of_requests(host: t.Any) -> None:
    """1000 requests are over in seconds here: both processes may be starting at once, and then a request waits, at most for the queue-timeout."""
    before = set(host.check_output(PIDS).split())
    statuses = json.loads(host.check_output("python3 -c %s", MANY))
    assert statuses.keys() <= {"200", "504"}
    assert statuses["200"] >= 3480
    after = set(host.check_output(PIDS).split())
    assert len(before) == len(after) == 2
    assert before & after == set()


def test_flask_sees_the_request_as_the_client_sent_it(host: t.Any) -> None:
    answer = json.loads(host.check_output(HTTPBIN + "'/anything/a%20b?x=1&x=2' -H 'X-Mine: yes' -d field=value"))
    assert (answer["args"], answer["form"], answer["headers"]["X-Mine"]) == ({"x": ["1", "2"]}, {"field": "value"}, "yes")
    assert answer["url"] == "http://httpbin.example.org/anything/a%20b?x=1&x=2"


def test_flask_gets_the_authorization_header(host: t.Any) -> None:
    command = HTTPBIN + "/basic-auth/user/word -o /dev/null -w '%{http_code}'"
    assert host.check_output(command) == "401"
    assert host.check_output(command + " -u user:word") == "200"


def test_flask_streams(host: t.Any) -> None:
    """The first byte comes when it is sent, not when all is done."""
    first, whole = map(
        float, host.check_output(HTTPBIN + "'/drip?duration=3&numbytes=4&delay=0' -o /dev/null -w '%{time_starttransfer} %{time_total}'").split()
    )
    assert first < 1 < 2 < whole


def test_flask_sends_what_is_not_text_and_odd_statuses(host: t.Any) -> None:
    assert host.check_output(HTTPBIN + "/image/png -o /dev/null -w '%{content_type} %{size_download}'") == "image/png 8090"
    assert host.check_output(HTTPBIN + "/status/418 -o /dev/null -w '%{http_code}'") == "418"


def test_django_writes_its_database_and_knows_that_it_is_https(host: t.Any) -> None:
    given = '{"ansible_version": "2.19", "path": "/x/site.yml", "status": "completed", "started": "2026-01-01T00:00:00Z"}'
    made = json.loads(host.check_output(ARA + f"/api/v1/playbooks -H 'Content-Type: application/json' -d '{given}'"))
    assert made["path"] == "/x/site.yml"
    assert json.loads(host.check_output(ARA + "/api/v1/playbooks"))["count"] >= 1
    assert json.loads(host.check_output(ARA + "/api/"))["api"] == ["https://ara.example.org/api/v1/"]
    database = host.file("/srv/ara/data/ansible.sqlite")
    assert (database.user, oct(host.file("/srv/ara/data").mode)) == ("ara", "0o750")


def test_djangos_static_files_come_from_apache(host: t.Any) -> None:
    page = host.check_output(ARA + "/")
    path = next(word for word in page.replace('"', " ").split() if word.startswith("/static/") and word.endswith(".css"))
    headers = host.check_output(ARA + path + " -o /dev/null -D - --compressed").lower()
    assert "cache-control: no-cache" in headers
    assert "etag:" in headers
    etag = next(line.split()[1] for line in host.check_output(ARA + path + " -o /dev/null -D - --compressed").splitlines() if line.lower().startswith("etag"))
    assert host.check_output(ARA + path + f" -o /dev/null --compressed -H 'If-None-Match: {etag}' -w '%{{http_code}}'") == "304"
    assert host.check_output(ARA + "/static/ -o /dev/null -w '%{http_code}'") == "404"


def test_plain_http_leads_to_https_and_no_other_name_is_served(host: t.Any) -> None:
    plain = "curl --silent --resolve ara.example.org:80:127.0.0.1 http://ara.example.org"
    assert host.check_output(plain + "'/a?b=c' -o /dev/null -w '%{http_code} %{redirect_url}'") == "301 https://ara.example.org/a?b=c"
    assert host.check_output(plain + "/-/healthz -o /dev/null -w '%{http_code}'") == "200"
    assert host.check_output("curl --silent --insecure https://127.0.0.1/api/ -o /dev/null -w '%{http_code}'") == "403"
    assert host.run("curl --silent --insecure --tls-max 1.1 https://127.0.0.1/").rc == 35


def test_plain_wsgi_keeps_a_calendar_below_its_mount_point(host: t.Any) -> None:
    calendar, status = HTTPBIN + "/dav/user/work/", " -o /dev/null -w '%{http_code}'"
    assert host.check_output(HTTPBIN + "/dav/user/ -X MKCOL" + status) == "201"
    assert host.check_output(calendar + " -X MKCALENDAR" + status) == "201"
    host.check_output(f"printf '%b' '{CALENDAR.encode('unicode_escape').decode()}' >/tmp/one.ics")
    assert host.check_output(f"cat /tmp/one.ics | {calendar}one.ics -T -" + status) == "411", "a request of unknown length is refused unless asked for"
    assert host.check_output(calendar + "one.ics -T /tmp/one.ics" + status) == "201"
    assert "SUMMARY:Deploy" in host.check_output(calendar + "one.ics")
    assert "<href>/dav/user/work/one.ics</href>" in host.check_output(calendar + " -X PROPFIND -H 'Depth: 1'")
    assert host.file("/srv/radicale/data").user == "radicale"
