# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd and PAM are given and what they say."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._access import sshd
from hypothesis import given
from hypothesis import strategies as st

PAM = "# PAM configuration for sshd\n@include common-auth\naccount required pam_nologin.so\n"
# RFC 6238, appendix B: the secret is 12345678901234567890.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def test_our_lines_come_first_once_and_go_without_a_trace() -> None:
    once = sshd.with_block(PAM, "auth required pam_x.so\n")
    assert once.index("pam_x") < once.index("@include")
    assert sshd.with_block(once, "auth required pam_y.so").count("# BEGIN evenkeel") == 1
    assert "pam_x" not in sshd.with_block(once, "auth required pam_y.so")
    assert sshd.with_block(once, "") == PAM


@given(st.text(alphabet="ab#\n ", max_size=40).map(lambda text: text + "\n"), st.text(alphabet="ab# ", min_size=1, max_size=20).filter(str.strip))
def test_somebody_elses_lines_never_change(text: str, lines: str) -> None:
    assert sshd.with_block(sshd.with_block(text, lines), "") == text


@pytest.mark.parametrize(("now", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")])
def test_codes_are_those_of_the_rfc(now: int, code: str) -> None:
    assert sshd.totp(SECRET, now) == code


def test_a_secret_that_pam_has_written_into_is_the_same() -> None:
    used = sshd.secret_file(SECRET).replace("RATE_LIMIT 3 30", "RATE_LIMIT 3 30 1801440000").replace("DISALLOW_REUSE", "DISALLOW_REUSE 60048000")
    assert sshd.same_secret(used, SECRET)
    assert not sshd.same_secret(used, "OTHER")
    assert not sshd.same_secret(SECRET + "\n", SECRET)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("port 22\nlistenaddress [::]:22\nlistenaddress 0.0.0.0:22\n", ("127.0.0.1", 22)),
        ("port 22\nlistenaddress [::]:22\n", ("::1", 22)),
        ("port 22\nlistenaddress [fd00::11]:22\n", ("fd00::11", 22)),
        ("port 2222\nlistenaddress 0.0.0.0:2222\n", ("127.0.0.1", 2222)),
        ("port 22\nlistenaddress 10.0.9.11:22\n", ("10.0.9.11", 22)),
        ("port 2022\n", ("127.0.0.1", 2022)),
    ],
)
def test_where_sshd_can_be_asked(text: str, where: tuple[str, int]) -> None:
    assert sshd.loopback(sshd.effective(text)) == where
