"""A small OpenAI-compatible server as a process of its own: `python -m tests.stand_in_model PORT LOG DELAY_S`.

It prefers the last option in the alphabet, and appends each prompt it answered to LOG.
"""

from __future__ import annotations

import json
import math
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

lock = threading.Lock()


def completion(prompt: str) -> dict[str, object]:
    lines = dict(re.findall(r"^([A-Z])\. (.*)$", prompt, flags=re.MULTILINE))
    wanted = re.search(r"for (\w+)$", prompt.splitlines()[0])
    shares = {letter: 0.9 if wanted and name == wanted.group(1) else 0.1 / len(lines) for letter, name in lines.items()}
    top = [{"token": letter, "logprob": math.log(share), "bytes": None} for letter, share in shares.items()]
    choice = {
        "index": 0,
        "finish_reason": "length",
        "message": {"role": "assistant", "content": "A"},
        "logprobs": {"content": [{**top[0], "top_logprobs": top}]},
    }
    return {
        "object": "chat.completion",
        "model": "stand-in",
        "choices": [choice],
        "usage": {"prompt_tokens": 50, "completion_tokens": 1},
    }


def main(port: int, log: Path, delay_s: float) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.reply({"object": "list", "data": [{"id": "stand-in", "object": "model"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = body["messages"][-1]["content"]
            time.sleep(delay_s)
            self.reply(completion(prompt))
            with lock, log.open("a") as file:
                file.write(prompt.splitlines()[0] + "\n")

        def reply(self, answer: object) -> None:
            data = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
