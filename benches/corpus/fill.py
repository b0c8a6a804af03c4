"""Fills this process's memory as a service would, says `ready`, and sleeps until it is ended.

usage: fill.py MODE MIB VALUES [WORKERS]; a line on standard input makes it work on, and say `ready` again

MODE is ordinary, dense, utf16, base64, zero or rich. VALUES is a file of values to hold, one a line, each
written backwards, so that no copy of the file's own text counts as one. WORKERS processes are forked off at
the end, and change a part of what they have inherited.
"""
import array
import base64
import json
import os
import random
import resource
import sys
import time
import uuid

MODE, MIB = sys.argv[1], int(sys.argv[2])
FORMS = ["plain", "utf16", "base64", "hex"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ALL = LETTERS + "0123456789"
draw = random.Random(42)
words = [part for name in sys.modules for part in name.strip("_").split(".")] + """user token session password
secret cache key value request response header content type account order invoice status active pending error
timeout connection database select insert where index table service config handler controller repository
context thread worker queue message event payload client server api auth login logout admin role permission
""".split()
held = []
users = []


def word():
    return draw.choice(words)


def text(count, alphabet=ALL):
    return "".join(draw.choices(alphabet, k=count))


def url_safe(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def jwt():
    head = {"alg": "RS256", "typ": "JWT", "kid": text(8)}
    claims = {"sub": text(10), "name": word(), "iat": 1516239022, "iss": f"https://{word()}.example.com"}
    return f"{url_safe(head)}.{url_safe(claims)}.{text(86)}"


def ordinary(number):
    """An object with its attributes, now and then a request, a document, numbers, and binary data."""
    attributes = {f"{word()}{index}": (draw.getrandbits(62), f"{word()} {word()} {word()}", draw.random())[index % 3]
                  for index in range(6)}
    held.append({"id": number, "name": f"{word()} {word()}", "mail": f"{word()}@{word()}.com", "has": attributes})
    if number % 5 == 0:
        held.append(f"GET /api/v1/{word()}/{number}?{word()}={word()} HTTP/1.1\r\nHost: {word()}.svc.cluster.local\r\n"
                    f"User-Agent: Mozilla/5.0\r\nAccept: application/json\r\nX-Request-Id: {identifier()}\r\n\r\n")
    if number % 7 == 0:
        held.append(json.dumps({"id": number, "type": word(), "created": "2026-01-11T10:00:00Z",
                                "items": [{"sku": text(8), "qty": draw.randrange(99)}],
                                "owner": {"name": word(), "email": f"{word()}@example.org"}}).encode())
    if number % 20 == 0:
        held.append(array.array("q", [number * step for step in range(256)]))
    if number % 40 == 0:
        held.append(array.array("d", [draw.gauss(0, 1) for _ in range(256)]))
    if number % 50 == 0:
        held.append(draw.randbytes(4096))
    if number % 997 == 0:
        held.append(f"Authorization: Bearer {jwt()}")


def identifier():
    return str(uuid.UUID(int=draw.getrandbits(128)))


def user():
    """What one user leaves in a gateway: tokens, cookies, settings, and words that stand before them."""
    return [
        f"password={text(12 + draw.randrange(8))}",
        json.dumps({"access_token": text(40), "token_type": "bearer", "refresh_token": text(32)}),
        f"Authorization: Bearer {text(48)}",
        f"client_secret: '{text(32)}'",
        f"api_key = {text(32, '0123456789abcdef')}",
        jwt(),
        f"https://{word()}:{text(10)}@{word()}.example.com/path",
        f"Set-Cookie: sessionid={text(32)}; HttpOnly; Path=/; Secure; csrf_token={text(24)}",
        f"SECRET_KEY={text(40)}\nDB_PASSWORD={text(16)}\nDEBUG=false\nTOKEN={identifier()}",
        f"postgres://app:{text(14)}@db.internal:5432/{word()}",
        "\n".join(f"{word()}.{word()}.{word()} {word()} key {word()} token {word()}" for _ in range(24)),
    ]


def dense(number):
    """Requests of a thousand users."""
    if not users:
        users.extend(user() for _ in range(1000))
    held.append(draw.choice(draw.choice(users)).encode())
    held.append(array.array("q", [draw.randrange(100_000) for _ in range(8)]))
    held.append({"id": number, "mail": f"{word()}@{word()}.com", "has": {f"{word()}{it}": word() for it in range(6)}})


def utf16(number):
    """Text as the runtimes of Windows and of other languages hold it."""
    line = f"{word()} {word()} {number}: {word()}.{word()} is {word()}, {word()}={word()}"
    held.append(line.encode("utf-16-le"))
    if number % 4 == 0:
        held.append({"id": number, "name": word()})


def base64s(number):
    """Random bytes, documents and keys of certificates in base64."""
    size = 200 + draw.randrange(3000)
    if draw.randrange(3) == 0:
        document = {"auths": {"registry.example.com": {"username": word(), "note": f"{word()} {word()}"}}}
        data = json.dumps([document] * (size // 80)).encode()
    else:
        data = draw.randbytes(size)
    held.append(base64.b64encode(data))
    if number % 4 == 0:
        held.extend(f"{word()} {word()} {number}" for _ in range(8))


def zero(number):
    """Buffers that were written once and are empty."""
    buffer = bytearray(1 << 20)
    buffer[::4096] = bytes(256)
    for _ in range(64):
        at = draw.randrange(1 << 18)
        buffer[at:at + 9] = b"%-9.9s" % word().encode()
    held.append(buffer)
    held.extend(f"{word()}{word()}{number}" for _ in range(500))


def hold(backwards, form):
    """Holds a value in one form, with words around it."""
    around = b";" + backwards + b" nekot"
    if form == "plain":
        held.append(around[::-1])
    elif form == "utf16":
        held.append(around.decode().encode("utf-16-be")[::-1])
    else:
        document = bytearray(b'{"kind": "access", "token": "' + backwards[::-1] + b'"}')
        held.append(base64.b64encode(document) if form == "base64" else document.hex().encode())
        document[:] = bytes(len(document))


def change(number):
    """Some more work of the same kind: a part of what is held becomes another."""
    for index in range(0, len(held), 97):
        if isinstance(held[index], dict):
            held[index] = {"id": number + index, "again": f"{word()} {word()}"}
    for index in range(1, max(number // 20, 2)):
        ordinary(number + index)


def used():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main():
    with open(sys.argv[3], "rb") as file:
        values = file.read().split()
    fill = {"ordinary": ordinary, "dense": dense, "utf16": utf16, "base64": base64s, "zero": zero, "rich": dense}[MODE]
    number, held_values = 0, 0
    base = used()
    while (done := used() - base) < MIB:
        for _ in range(1 if MODE == "zero" else 200):
            number += 1
            fill(number)
        # Spread over the whole heap.
        while held_values < len(values) * min(done + 8, MIB) // MIB:
            form = {"utf16": "utf16", "base64": "base64", "rich": FORMS[held_values % 4]}.get(MODE, "plain")
            hold(values[held_values], form)
            held_values += 1
    for value in values[held_values:]:
        hold(value, "plain")
    for worker in range(int(sys.argv[4]) if len(sys.argv) > 4 else 0):
        if os.fork() == 0:
            draw.seed(worker)
            held.append([{"worker": worker, "cookie": text(32), "of": word()} for _ in range(4000)])
            for item in held[::40]:
                if isinstance(item, dict):
                    item["id"] += 1
            break
    else:
        time.sleep(1)
        print("ready", flush=True)
        if sys.stdin.readline():
            change(number)
            print("ready", flush=True)
    time.sleep(3600)


main()
