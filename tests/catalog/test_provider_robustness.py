"""A language-model server that misbehaves, on a real socket: retried, unavailable or refused, never believed."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import struct
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest

from catalog.prompts import Prompt
from catalog.providers import openai_compatible, openai_replies
from catalog.providers.openai_compatible import OpenAiCompatibleChatModel
from recsite.operations.errors import InvalidInputError, UnavailableError

PROMPT = Prompt(system="Answer with one letter.", user="Product: milk")
RESET = object()


class RawServer:
    """Answers each request with the next of `replies` (the last one for ever): bytes as they are, a list of bytes with
    pauses between, and RESET ends the connection with a reset."""

    def __init__(self):
        self.replies, self.requests = [], []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._is_open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while self._is_open:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link):
        with contextlib.suppress(OSError), link:
            self.requests.append(self._read(link))
            pieces = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            for piece in pieces if isinstance(pieces, list) else [pieces]:
                if piece is RESET:
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                elif isinstance(piece, float):
                    time.sleep(piece)
                else:
                    link.sendall(piece)

    @staticmethod
    def _read(link):
        data = b""
        while b"\r\n\r\n" not in data:
            data += link.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-le")
        )
        while len(body) < length:
            body += link.recv(65536)
        return json.loads(body)

    def close(self):
        self._is_open = False
        self._listener.close()


def http(body, status=200, *, headers=(), length=None, kind="application/json"):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} Said",
        f"Content-Type: {kind}",
        f"Content-Length: {len(data) if length is None else length}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def answer(content="A", top=None, **more):
    """A chat completion; `top` is a list of (token, logprob)."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    if top is not None:
        listed = [{"token": token, "logprob": logprob} for token, logprob in top]
        choice["logprobs"] = {"content": [{"token": "A", "logprob": 0.0, "top_logprobs": listed}]}
    return {"id": "1", "object": "chat.completion", "model": "m", "choices": [choice], **more}


GOOD = answer("A", [("A", math.log(0.5)), ("B", math.log(0.25))])


@pytest.fixture
def server():
    made = RawServer()
    yield made
    made.close()


@pytest.fixture
def slept(monkeypatch):
    """Pauses, noted instead of waited for; what the server takes is real."""
    noted = []
    monkeypatch.setattr(openai_compatible, "time", SimpleNamespace(monotonic=time.monotonic, sleep=noted.append))
    return noted


@pytest.fixture
def counted():
    return []


@pytest.fixture
def model(server, counted):
    def record(model, purpose, **counts):
        counted.append((model, purpose, counts))

    return OpenAiCompatibleChatModel(
        base_url=server.url, api_key="k", model="m", timeout_s=2.0, concurrency=2, record=record
    )


def ask(model):
    return model.first_token_probabilities(PROMPT, ("A", "B"))


PASSING = {
    "429": http({"error": {"message": "slow down"}}, 429),
    "408": http({"error": {"message": "again"}}, 408),
    "500": http({"error": {"message": "oops"}}, 500),
    "502 of a proxy": http(b"<html>Bad gateway</html>", 502, kind="text/html"),
    "503": http(b"", 503),
    "reset before a reply": RESET,
    "reset in the middle": [http(GOOD)[:-40], 0.05, RESET],
    "cut off": http(GOOD, length=len(json.dumps(GOOD)) + 100),
    "broken JSON": http(b'{"choices": [{"message": {"con'),
    "endless brackets": http(b'{"choices": ' + b"[" * 100_000),
    "not even text": http(b"\xff\xfe\x00\x01"),
    "not HTTP": b"hello\r\n\r\n",
}


@pytest.mark.parametrize("trouble", PASSING.values(), ids=PASSING.keys())
def test_passing_trouble_is_asked_again_and_the_answer_counts(server, model, counted, slept, trouble):
    server.replies = [trouble, trouble, http(GOOD)]
    assert ask(model) == pytest.approx({"A": 0.5, "B": 0.25})
    assert len(server.requests) == 3
    assert [entry[2]["failed"] for entry in counted] == [False]
    assert [pause for pause in slept if pause > 0][:2] == [
        pytest.approx(0.5, rel=0.26),
        pytest.approx(1.0, rel=0.26),
    ]


@pytest.mark.parametrize("trouble", PASSING.values(), ids=PASSING.keys())
def test_lasting_trouble_is_unavailable_and_counts_as_one_failure(server, model, counted, slept, trouble):
    server.replies = [trouble]
    with pytest.raises(UnavailableError):
        ask(model)
    assert len(server.requests) == 4
    assert [(entry[0], entry[1], entry[2]["failed"]) for entry in counted] == [("m", "label", True)]


UNAVAILABLE = {
    "a web page": (http(b"<html>Sign in</html>", kind="text/html"), "no OpenAI-compatible server"),
    "a stream": (http(b'data: {"choices": []}\n\n', kind="text/event-stream"), "no OpenAI-compatible server"),
    "other JSON": (http({"hello": "world"}), "no OpenAI-compatible server"),
    "choices of another kind": (http({"choices": {"0": "A"}}), "no OpenAI-compatible server"),
    "a list": (http([1, 2]), "no OpenAI-compatible server"),
    "no key": (http({"error": {"message": "no"}}, 401), "LLM_API_KEY"),
    "no access": (http({"error": {"message": "no"}}, 403), "LLM_API_KEY"),
    "no such model": (http({"error": {"message": "no"}}, 404), "LLM_MODEL"),
}


@pytest.mark.parametrize(("reply", "words"), UNAVAILABLE.values(), ids=UNAVAILABLE.keys())
def test_what_another_try_will_not_mend_is_unavailable_at_once(server, model, counted, reply, words):
    server.replies = [reply]
    with pytest.raises(UnavailableError, match=words):
        ask(model)
    assert len(server.requests) == 1
    assert counted[0][2]["failed"]


REFUSED = {
    "too long": (http({"error": {"message": "context too long"}}, 400), "context too long"),
    "too large": (http(b"", 413), "refused this prompt"),
    "cannot be processed": (http({"error": {"message": "no"}}, 422), "refused this prompt"),
    "no choice": (http({"choices": []}), "holds no choice"),
    "a choice that is none": (http({"choices": [None]}), "holds no choice"),
    "a refusal": (
        http({"choices": [{"message": {"refusal": "I cannot help with that.", "content": None}}]}),
        "refuses to answer",
    ),
    "filtered": (http({"choices": [{"finish_reason": "content_filter", "message": {}}]}), "refuses to answer"),
}


@pytest.mark.parametrize(("reply", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_is_the_prompts_fault(server, model, counted, reply, words):
    server.replies = [reply]
    with pytest.raises(InvalidInputError, match=words):
        ask(model)
    with pytest.raises(InvalidInputError, match=words):
        model.complete(PROMPT, max_tokens=5, purpose="describe")
    assert len(server.requests) == 2
    assert [(entry[1], entry[2]["failed"]) for entry in counted] == [("label", True), ("describe", True)]


def test_a_reply_of_a_million_tokens_is_read_no_further_than_it_may_be(server, model, slept):
    server.replies = [[http(b'{"choices": "', length=10**9), *([b"word " * 100_000] * 20)]]
    with pytest.raises(InvalidInputError, match="longer than 4,000,000 bytes"):
        ask(model)
    assert len(server.requests) == 1
    # What still fits is read, and only its beginning counts.
    server.replies = [http(answer("A " * 1_000_000))]
    assert model.complete(PROMPT, max_tokens=3, purpose="describe") == "A A A"
    server.replies = [http(answer("x" * 1_000_000))]
    assert len(model.complete(PROMPT, max_tokens=3, purpose="describe")) == 48


def test_a_server_that_is_too_slow_or_trickles_is_unavailable_in_time(server):
    model = OpenAiCompatibleChatModel(base_url=server.url, api_key="", model="m", timeout_s=0.4, concurrency=1)
    server.replies = [[1.5]]
    with pytest.raises(UnavailableError, match="LLM_TIMEOUT_S"):
        ask(model)
    server.replies = [[http(b"", length=10_000), *([b" ", 0.05] * 200)]]
    started = time.monotonic()
    with pytest.raises(UnavailableError, match="LLM_TIMEOUT_S"):
        ask(model)
    assert time.monotonic() - started < 5
    assert len(server.requests) == 2


def test_retry_after_is_waited_for(server, model, slept):
    server.replies = [http(b"", 429, headers=["Retry-After: 7"]), http(GOOD)]
    ask(model)
    assert any(6 < pause <= 7 for pause in slept)


def test_a_long_retry_after_holds_everybody_back_without_a_request(server, model):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)
    server.replies = [http(b"", 429, headers=[f"Retry-After: {later}"])]
    for _ in range(3):
        with pytest.raises(UnavailableError, match="asks us to wait"):
            ask(model)
    assert len(server.requests) == 1
    assert (model.status().state, "asks us to wait" in model.status().detail) == ("unreachable", True)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("1e9", 3600.0), ("nan", None), ("-5", None), ("inf", None), ("soon", None), ("", None)],
)
def test_a_time_to_wait_is_believed_within_reason(said, seconds):
    assert openai_replies.hold_s({"retry-after": said}, datetime.now(UTC)) == seconds


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        ([("A", float("nan")), ("B", math.log(0.25))], {"A": 0.0, "B": 0.25}),
        ([("A", 5.0), ("B", math.log(0.5))], {"A": 0.0, "B": 0.5}),
        ([("A", 0.0), ("B", 0.0)], {"A": 0.5, "B": 0.5}),
        ([("A", float("-inf")), ("B", -9999.0)], {"A": 0.0, "B": 0.0}),
        ([("A", "high"), (None, -0.1), ("B", True), ("B", math.log(0.5))], {"A": 0.0, "B": 0.5}),
        ([("Ġ" + "A", math.log(0.5)), ("▁B", math.log(0.25))], {"A": 0.5, "B": 0.25}),
        ([("C", math.log(0.9)), ("A" * 1_000_000, -3.0), ("\x00", -4.0)], {"A": 0.0, "B": 0.0}),
        ([("A", math.log(0.01))] * 5000, {"A": 0.2, "B": 0.0}),
    ],
)
def test_odd_probabilities_are_left_out_and_only_offered_options_count(server, model, top, expected):
    server.replies = [http(answer("A", top))]
    found = ask(model)
    assert found == pytest.approx(expected)
    assert sum(found.values()) <= 1.0 + 1e-9


@pytest.mark.parametrize("logprobs", [None, [], "no", {"content": None}, {"content": []}, {"content": ["A"]}])
def test_one_reply_without_probabilities_does_not_end_them(server, model, logprobs):
    odd = answer("A")
    odd["choices"][0]["logprobs"] = logprobs
    server.replies = [http(GOOD), http(odd), http(GOOD)]
    assert ask(model) == pytest.approx({"A": 0.5, "B": 0.25})
    assert ask(model) == {}
    assert ask(model) == pytest.approx({"A": 0.5, "B": 0.25})
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "content",
    ["Z", "Ignore the options; the answer is hats", '{"choice": "Z"}', '{"choice": {"A": 1}}', "[" * 50_000, None, 7],
)
def test_without_probabilities_too_only_offered_options_count(server, model, content):
    server.replies = [http(answer(content))]
    assert ask(model) == {}


def test_a_prompt_that_is_refused_with_a_schema_and_without_does_not_end_schemas(server, model):
    no_logprobs = http({"error": {"message": "logprobs not supported"}}, 400)
    too_long = http({"error": {"message": "too long"}}, 400)
    server.replies = [no_logprobs, too_long, too_long, http(answer('{"choice": "B"}'))]
    with pytest.raises(InvalidInputError, match="too long"):
        ask(model)
    assert ask(model)["B"] == 0.8
    assert "response_format" in server.requests[-1]


def test_tokens_are_counted_as_the_server_reports_them_and_never_guessed(server, model, counted):
    reported = [
        {"prompt_tokens": 120, "completion_tokens": 1},
        {"prompt_tokens": -5, "completion_tokens": "many"},
        {"prompt_tokens": True, "completion_tokens": 10**12},
        None,
        "none",
    ]
    server.replies = [http({**GOOD, "usage": usage}) for usage in reported]
    for _ in reported:
        ask(model)
    model.complete(PROMPT, max_tokens=3, purpose="describe")
    found = [(purpose, counts["prompt_tokens"], counts["completion_tokens"]) for _, purpose, counts in counted]
    assert found == [("label", 120, 1), *([("label", 0, 0)] * 4), ("describe", 0, 0)]
    assert all(counts["seconds"] > 0 for _, _, counts in counted)


def test_text_is_what_was_written_in_either_form(server, model):
    server.replies = [
        http(answer("milk, cheese")),
        http(answer([{"type": "text", "text": "milk"}, {"type": "image"}, "?"])),
        http(answer(None)),
    ]
    said = [model.complete(PROMPT, max_tokens=60, purpose="describe") for _ in range(3)]
    assert said == ["milk, cheese", "milk", ""]
    assert server.requests[0]["max_tokens"] == 60
    assert "logprobs" not in server.requests[0]
