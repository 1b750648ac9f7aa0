# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A webhook for Alertmanager that appends each alarm to a file, one JSON object per line: receiver PORT FILE."""

import http.server
import json
import sys


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes every POST."""

    def do_POST(self):
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(sys.argv[2], "a", encoding="utf-8") as stream:
            for alert in told["alerts"]:
                stream.write(json.dumps(alert) + "\n")
        self.send_response(200)
        self.end_headers()


open(sys.argv[2], "a", encoding="utf-8").close()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
