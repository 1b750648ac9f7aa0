# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config import generation, report
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import RequestError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.layout import Layout

LAYOUT = Layout()


def owners(**parts):
    return generation.checked_owners(parts)


def target(number=1, **parts):
    def load(names):
        return [(name + "_module", ["LoadModule " + name]) for name in names]

    return generation.target(number, owners(**parts), "127.0.0.1:8090", load)


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ({"Shop": {"fragments": {"a": "x"}}}, "owners.Shop"),
        ({"shop": {"fragment": {"a": "x"}}}, "write fragments"),
        ({"shop": {"fragments": {"../a": "x"}}}, "fragments.../a"),
        ({"shop": {"fragments": {"a": "  \n"}}}, "leave the name out"),
        ({"shop": {"modules": ["headers; Include /etc/shadow"]}}, "modules"),
        ({"shop": {"disable": {"module": ["status"]}}}, "write modules, sites or confs"),
        ({"shop": {"disable": {"sites": ["../x"]}}}, "disable.sites"),
    ],
)
def test_refusals_name_the_place(parts, word):
    with pytest.raises(RequestError, match="(?s).*" + word.replace("/", ".").replace("..", ".+")):
        generation.checked_owners(parts)


def test_owners_that_are_not_named_keep_what_they_have():
    have = owners(a={"fragments": {"x": "1"}}, b={"fragments": {"y": "2"}})
    assert generation.merged(have, owners(b={}, c={"modules": ["ssl"]})) == {"a": have["a"], "c": owners(c={"modules": ["ssl"]})["c"]}


def test_files_are_named_by_owner_and_fragment_after_our_own():
    state = target(shop={"fragments": {"site": "A", "b.conf": "B"}}, apache={"fragments": {"mpm": "C"}})
    assert sorted(state.files) == ["000-evenkeel.conf", "apache-mpm.conf", "shop-b.conf", "shop-site.conf"]
    assert state.files["shop-site.conf"] == "A\n"


def test_the_answer_carries_the_number_and_only_the_number_differs():
    one, two = target(1, a={"fragments": {"x": "y"}}), target(2, a={"fragments": {"x": "y"}})
    assert 'ErrorDocument 404 "evenkeel generation 2"' in two.files[generation.OWN_FILE]
    assert one.files != two.files and generation.same(one, two)
    assert not generation.same(one, target(1, a={"fragments": {"x": "z"}}))


def test_modules_keep_their_order_and_headers_comes_before_remoteip():
    own = list(generation.OWN_MODULES)
    both = owners(a={"modules": ["ssl", "headers"]}, b={"modules": ["wsgi", "ssl"]})
    assert generation.wanted_modules(both) == [*own, "ssl", "headers", "wsgi"]
    late = owners(a={"modules": ["remoteip", "ssl"]}, b={"modules": ["headers"]})
    assert generation.wanted_modules(late) == [*own, "ssl", "headers", "remoteip"]


def test_the_mpm_is_a_switch_and_not_a_module_to_load():
    state = target(a={"modules": ["mpm_event", "headers"], "disable": {"modules": ["mpm_prefork", "status"]}})
    assert state.mpm == "event" and "mpm_event" not in state.files[generation.OWN_FILE]
    assert state.disable == {("modules", "status")}
    with pytest.raises(RequestError, match="exactly one"):
        target(a={"modules": ["mpm_event"]}, b={"modules": ["mpm_worker"]})


def test_a_record_describes_its_state_whole():
    state = target(3, a={"fragments": {"x": "y"}, "disable": {"sites": ["000-default"]}, "drop_ins": {"limits": "[Service]"}})
    assert generation.from_record(json.loads(generation.record(state)), state.files) == state


@pytest.mark.parametrize("address", ["10.0.0.1:8090", "127.0.0.1", "localhost:8090", "127.0.0.1:0", "127.0.0.1:99999", "*:80"])
def test_a_status_address_off_the_loopback_is_refused(address):
    with pytest.raises(RequestError, match="write an address of the loopback"):
        generation.checked_address(address)


def test_status_addresses_of_the_loopback():
    assert generation.checked_address("127.0.0.1:8090") and generation.checked_address("[::1]:8090")


def test_owner_of_an_offending_file():
    state = target(shop={"fragments": {"site": "A"}})
    assert generation.owner_of("/etc/apache2/evenkeel/generations/4/shop-site.conf", state) == ("shop", "site")
    assert generation.owner_of("/etc/apache2/apache2.conf", state) == (None, None)


def test_the_diff_shows_what_differs_and_no_number():
    old = target(1, shop={"fragments": {"site": "A"}})
    new = target(2, shop={"fragments": {"site": "B"}, "disable": {"sites": ["000-default"]}, "drop_ins": {"limits": "[Service]"}})
    shown = {entry["after_header"]: (entry["before"], entry["after"]) for entry in report.diff(old, new, LAYOUT)}
    assert shown == {
        "/etc/apache2/evenkeel/generations/N/shop-site.conf": ("A\n", "B\n"),
        "/etc/systemd/system/apache2.service.d/evenkeel-shop-limits.conf": ("", "[Service]\n"),
        "switches": ("", "site 000-default off\n"),
    }


@pytest.mark.parametrize(
    ("message", "missing"),
    [
        ("AH00543: apache2: bad user name shop", True),
        ("(2)No such file or directory: AH02291: Cannot access directory '/var/log/shop/'", True),
        ("Cannot load /usr/lib/apache2/modules/mod_wsgi.so into server", True),
        ("Invalid command 'Nonsense', perhaps misspelled", False),
        ("AH00513: WARNING: MaxRequestWorkers of 160 is not an integer multiple", False),
    ],
)
def test_what_check_mode_may_blame_on_itself(message, missing):
    assert report.may_be_missing(message) is missing


def test_programs_lie_beside_the_fragments_and_are_not_included():
    state = target(log={"fragments": {"log": "GlobalLog x"}, "programs": {"filter.py": "print()"}})
    assert state.files["log-filter.py"] == "print()\n"
    with pytest.raises(RequestError, match="does not end in .conf"):
        generation.checked_owners({"log": {"programs": {"filter.conf": "x"}}})
    only_a_program = generation.checked_owners({"log": {"programs": {"filter.py": "x"}}})
    assert generation.merged({}, only_a_program) == only_a_program
