"""A name server that knows no name and writes down what it was asked."""

import socket

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 53))
with open("/tmp/asked", "ab", buffering=0) as asked:
    while True:
        packet, asker = server.recvfrom(4096)
        labels, rest = [], packet[12:]
        while rest[:1] not in (b"", b"\0"):
            labels.append(rest[1 : rest[0] + 1])
            rest = rest[rest[0] + 1 :]
        asked.write(b".".join(labels) + b"\n")
        server.sendto(packet[:2] + b"\x81\x83" + packet[4:], asker)
