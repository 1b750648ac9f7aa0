"""Send as many requests as told, made of random bytes where bytes may be, and print how many were answered."""

import http.client
import random
import socket
import sys

address, count = sys.argv[1], int(sys.argv[2])
chance = random.Random(7)
BYTES = [bytes([i]) for i in range(1, 256) if i not in (10, 13)] + [b'"', b"\\", b"\\x41", b"\\\\v", "\u00e9".encode(), b"\t"] * 20
LINES = [b"GET", b"POST", b"\x16\x03\x01\x02", b"G\x0bT", b'"', b"A" * 300]


def junk(most):
    return b"".join(chance.choices(BYTES, k=chance.randrange(most)))


def request():
    path = junk(20).replace(b" ", b"").replace(b"\t", b"").replace(b"?", b"") if chance.random() < 0.7 else b"a" * chance.randrange(4000)
    head = (chance.choice(LINES) if chance.random() < 0.1 else b"GET") + b" /" + path + b"?page=" + junk(8).replace(b" ", b"") + b"&token=SECRET HTTP/1.1"
    fields = [b"Host: echo.example.org", b"Connection: close", b"User-Agent: " + junk(400), b"Cookie: theme=" + junk(20) + b"; session=SECRET"]
    fields += [b"X-Forwarded-For: " + junk(40), b"X-Request-ID: " + junk(10), b"traceparent: " + junk(10), b"Referer: /?SECRET"]
    return b"\r\n".join([head, *fields, b"", b""])


answered = 0
for _i in range(count):
    with socket.create_connection((address, 80), timeout=20) as link:
        link.sendall(request())
        answer = http.client.HTTPResponse(link)
        try:
            answer.begin()
            answered += 1
        except (http.client.HTTPException, OSError):
            pass
print(answered)
