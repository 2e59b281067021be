# SPDX-License-Identifier: Apache-2.0
"""Clients of `weft serve` that are slow, many, or send what they should not."""

import random
import resource
import socket
import time

from checks import SANITIZED, check
from serve_client import LONG, Server, expected, load, pgm, read_reply, request
from tiny_runs import images

CONNECTIONS, HUGE = (10000, 10 ** 9) if LONG else (700, 10 ** 8)


def abuse():
    """Answers or closed connections, never a crash, and no growth."""
    good = pgm(images(1, 1)[0][0])
    rng = random.Random(4)
    with Server("--timeout", "1s", "--queue", "20") as server:
        check(server.ask("POST", "/predict", good)[0] == 200, "the first request")
        load(server, [good], [expected([good])[0][0]], 300, 16)
        before = server.memory()
        for i in range(400 if LONG else 60):  # garbage, and halves of requests
            with server.connect() as s:
                whole = request("POST", "/predict", good)
                data = bytearray(whole[:rng.randrange(1, len(whole))])
                for _ in range(i % 4):
                    data[rng.randrange(len(data))] = rng.randrange(256)
                try:
                    s.sendall(bytes(rng.randrange(256) for _ in range(99)) if i % 5 == 0 else data)
                    if i % 2:
                        s.shutdown(socket.SHUT_WR)
                        read_reply(s)
                except OSError:
                    pass
        with server.connect() as s:  # many requests without waiting
            s.sendall(request("GET", "/health") * 50)
            check(read_reply(s)[0] == 200, "pipelined requests")
        with server.connect() as s:
            s.sendall(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n")
            reply = read_reply(s)
            check(reply is None or reply[0] in (400, 431), f"long headers: {reply}")
        for _ in range(60):
            check(server.ask("POST", "/predict", bytes(10 ** 6))[0] == 400, "1 MB of zeros")
        huge(server)
        slow(server, good)
        many(server)
        check(server.ask("POST", "/predict", good)[0] == 200, "the last request")
        grown = server.memory() - before
        print(f"memory {before:.0f} MB, then {grown:+.1f} MB")
        check(grown < 30 or SANITIZED, f"{grown:.0f} MB of growth")


def huge(server):
    """A body of 1 GB is refused by its header."""
    with server.connect() as s:
        sent, piece = 0, bytes(1 << 20)
        try:
            s.sendall(request("POST", "/predict", None, Content_Length=HUGE))
            while sent < HUGE:
                s.sendall(piece)
                sent += len(piece)
        except ConnectionError:
            pass
        reply = read_reply(s)
        check(reply is None or reply[0] == 413, f"{HUGE} bytes: {reply}")
    check(server.json("POST", "/predict", bytes(30 * 10 ** 6))[0] == 413, "30 MB")
    with server.connect() as s:
        s.sendall(request("POST", "/predict", None, Content_Length=HUGE))
        reply = read_reply(s)
        check(reply and reply[0] == 413 and b"at most" in reply[2], f"{HUGE} bytes announced: {reply}")


def slow(server, good):
    """Clients that send or read a byte now and then have a second."""
    begin = time.monotonic()
    data = request("POST", "/predict", good)
    clients = [(server.connect(), 0) for _ in range(3)]
    clients[0][0].sendall(b"")
    clients[1][0].sendall(data[:20])
    clients[2][0].sendall(data[:-20])
    answers = []
    for s, _ in clients:
        s.settimeout(0.1)
    while time.monotonic() - begin < 6 and len(answers) < 3:
        for i, (s, at) in enumerate(clients):
            if s.fileno() < 0:
                continue
            try:
                if i == 1:
                    s.sendall(data[20 + at:21 + at])
                    clients[i] = s, at + 1
                reply = read_reply(s)
                answers.append((i, reply and reply[0]))
                s.close()
            except TimeoutError:
                pass
            except OSError:
                answers.append((i, None))
                s.close()
    check(len(answers) == 3 and (2, 408) in answers and (0, None) in answers, f"slow clients: {answers}")


def many(server):
    """More connections than there may be: others are closed, and later ones served."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, CONNECTIONS + 200), hard))
    held, ended = [], 0
    for _ in range(min(CONNECTIONS, min(hard, CONNECTIONS + 200) - 100)):
        s = socket.socket()
        s.settimeout(5)
        try:
            s.connect(server.at)
            s.sendall(b"GET /health HTTP/1.1\r\n")
            held.append(s)
        except OSError:
            s.close()
    time.sleep(1.6)
    for s in held:
        try:
            s.recv(1)
            ended += 1
        except TimeoutError:
            pass
        except OSError:
            ended += 1
        s.close()
    check(ended == len(held) > 400, f"{ended} of {len(held)} connections ended")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
