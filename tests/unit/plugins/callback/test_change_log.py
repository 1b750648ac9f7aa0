# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real run of ansible-playbook writes down its changes, and nothing of what they hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
PLAY = """
- hosts: all
  gather_facts: false
  vars: {secret: planted-secret-1}
  tasks:
    - name: Write a secret
      ansible.builtin.copy: {content: "{{ secret }}", dest: "{{ folder }}/secret", mode: "0600"}
    - name: The same again
      ansible.builtin.copy: {content: "{{ secret }}", dest: "{{ folder }}/secret", mode: "0600"}
    - name: Each of them
      ansible.builtin.copy: {content: "{{ item }}", dest: "{{ folder }}/{{ item }}", mode: "0600"}
      loop: [planted-secret-2]
    - name: What the host's log is told
      log_info: {path: "{{ folder }}/told"}
    - name: Fail
      ansible.builtin.fail: {msg: "{{ secret }}"}
"""
MODULE = """
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={"path": {"type": "path"}})
with open(module.params["path"], "w") as stream:
    stream.write(module._target_log_info)
module.exit_json(changed=False)
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What one run writes, as data."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "collections/ansible_collections/evenkeel").mkdir(parents=True)
    (folder / "collections/ansible_collections/evenkeel/wsgi").symlink_to(ROOT)
    (folder / "play.yml").write_text(PLAY)
    (folder / "library").mkdir()
    (folder / "library/log_info.py").write_text(MODULE)
    (folder / "hosts").write_text(f"web1 ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    (folder / ".gitignore").write_text("*\n!hosts\n")
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "--quiet"], ["add", "hosts"], ["commit", "--quiet", "--message=x"]):
        subprocess.run([*git, *arguments], check=True)
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
        "ANSIBLE_CALLBACKS_ENABLED": "evenkeel.wsgi.change_log",
        "ANSIBLE_HOME": str(folder / "home"),
        "EVENKEEL_CHANGE_LOG": str(folder / "log/changes.jsonl"),
        "SUDO_USER": "alice",
        "SSH_CONNECTION": "203.0.113.7 50000 10.0.0.1 22",
    }
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(folder / "hosts"), "-e", f"folder={folder} more=planted-secret-3"]
    done = subprocess.run([*command, str(folder / "play.yml")], env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert "planted-secret-1" in done.stdout, done.stdout + done.stderr  # Ansible's own output shows it
    log = folder / "log/changes.jsonl"
    assert log.stat().st_mode & 0o777 == 0o600
    assert "planted-secret" not in log.read_text()
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    return [json.loads(line) for line in log.read_text().splitlines()], head, str(folder / "hosts"), (folder / "told").read_text()


def test_it_says_who_from_where_and_from_which_commit(lines):
    entries, head, inventory, _told = lines
    assert {(entry["user"], entry["from"]) for entry in entries} == {("alice", "203.0.113.7")}
    assert len({entry["run"] for entry in entries}) == 1
    assert entries[0]["event"] == "start"
    assert (entries[0]["playbook"], entries[0]["inventories"]) == ("play.yml", {inventory: head})


def test_it_says_what_changed_and_what_failed_and_nothing_else(lines):
    told = [(entry["event"], entry["host"], entry["task"], entry["action"]) for entry in lines[0][1:-1]]
    assert told == [
        ("changed", "web1", "Write a secret", "ansible.builtin.copy"),
        ("changed", "web1", "Each of them", "ansible.builtin.copy"),
        ("failed", "web1", "Fail", "ansible.builtin.fail"),
    ]


def test_it_says_how_the_run_ended(lines):
    assert lines[0][-1]["event"] == "end"
    assert lines[0][-1]["hosts"] == {"web1": {"ok": 4, "changed": 2, "failures": 1, "unreachable": 0}}


def test_the_hosts_own_log_gets_the_same_words(lines):
    entries, head, _inventory, told = lines
    assert told == f"run={entries[0]['run']} user=alice from=203.0.113.7 inventory={head}"
