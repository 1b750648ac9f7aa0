import json
import time


def application(environ, start_response):
    if environ["PATH_INFO"].startswith("/wait/"):
        time.sleep(float(environ["PATH_INFO"].split("/")[2]))
    body = json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
