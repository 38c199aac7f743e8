"""SQS server: `python -m keyrelay.demo.sqs_server` speaks the real protocol.

It prints its origin in one line, and serves until its standard input is closed, so
that it ends with whoever started it, however that ends.
"""

import logging
import sys

from moto.server import ThreadedMotoServer

HOST = "127.0.0.1"


def main() -> None:
    logging.disable()  # one line a request is too many
    server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    sys.stdout.write(f"http://{HOST}:{port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
