"""Send requests as they are told on stdin, one JSON object per line, and answer with one per line.

In:  {"from": address to connect from, "to": address, "sends": the request as latin-1 text}
Out: {"status": code, "body": text}; status 0 when there was no answer
"""

import json
import socket
import sys


def answer(case):
    with socket.create_connection((case["to"], 80), timeout=20, source_address=(case["from"], 0)) as link:
        link.sendall(case["sends"].encode("latin-1"))
        got = b""
        while True:
            block = link.recv(65536)
            if not block:
                break
            got += block
    head, _empty, body = got.partition(b"\r\n\r\n")
    return {"status": int(head.split()[1]) if head.startswith(b"HTTP/") else 0, "body": body.decode("latin-1")}


for line in sys.stdin:
    try:
        told = answer(json.loads(line))
    except OSError as exc:
        told = {"status": 0, "body": str(exc)}
    print(json.dumps(told), flush=True)
