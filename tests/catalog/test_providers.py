from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from catalog.prompts import Prompt
from catalog.providers import get_chat_model, get_label_embedder
from catalog.providers.openai_compatible import OpenAiCompatibleChatModel
from catalog.providers.sentence_transformer import cpu_computes_bf16, minilm, of_directory, vector_length
from recsite.operations.embedded import label_embedder
from recsite.operations.embedded.home import Home
from recsite.operations.errors import InvalidInputError, UnavailableError

PROMPT = Prompt(system="Answer with one letter.", user="Product: milk")


class Server:
    """A small OpenAI-compatible server: answers with (status, body) from `replies` in turn, the last one for ever."""

    def __init__(self):
        self.replies, self.requests = [(200, {"data": [{"id": "tiny", "object": "model"}]})], []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                server.requests.append((self.path, self.headers.get("Authorization"), body))
                status, reply = server.replies.pop(0) if len(server.replies) > 1 else server.replies[0]
                data = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _answer  # noqa: N815

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def model(server):
    return OpenAiCompatibleChatModel(base_url=server.url, api_key="secret", model="tiny", timeout_s=5, concurrency=2)


def reply(content, top=None):
    logprobs = None
    if top is not None:
        tokens = [{"token": token, "logprob": math.log(share), "bytes": None} for token, share in top.items()]
        logprobs = {"content": [{**tokens[0], "top_logprobs": tokens}], "refusal": None}
    choice = {
        "index": 0,
        "finish_reason": "length",
        "message": {"role": "assistant", "content": content},
        "logprobs": logprobs,
    }
    return 200, {"id": "1", "object": "chat.completion", "created": 1, "model": "tiny", "choices": [choice]}


def error(status, message):
    return status, {"error": {"message": message, "code": status, "type": "error"}}


def test_the_first_tokens_probabilities_are_read_and_summed_by_letter(server, model):
    server.replies = [reply("A", {"A": 0.5, " A": 0.25, "B": 0.125, "The": 0.1})]
    found = model.first_token_probabilities(PROMPT, ("A", "B", "C"))
    assert found == pytest.approx({"A": 0.75, "B": 0.125, "C": 0.0})
    path, authorization, body = server.requests[0]
    assert (path, authorization) == ("/v1/chat/completions", "Bearer secret")
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"], body["temperature"]) == (1, True, 20, 0)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


def test_words_count_in_any_case_but_letters_as_written(server, model):
    server.replies = [reply("Yes", {"Yes": 0.5, "yes": 0.25, "NO": 0.125, "a": 0.1})]
    assert model.first_token_probabilities(PROMPT, ("Yes", "No")) == pytest.approx({"Yes": 0.75, "No": 0.125})
    assert model.first_token_probabilities(PROMPT, ("A",)) == {"A": 0.0}


def test_a_server_without_probabilities_is_asked_for_a_choice_by_schema(server, model):
    server.replies = [reply("B"), reply('{"choice": "B"}')]
    for _ in range(2):
        found = model.first_token_probabilities(PROMPT, ("A", "B", "C"))
        assert found == pytest.approx({"A": 0.1, "B": 0.8, "C": 0.1})
    schema = server.requests[1][2]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["choice"]["enum"] == ["A", "B", "C"]
    assert len(server.requests) == 3


def test_a_server_without_schemas_either_is_read_in_plain_letters(server, model):
    server.replies = [error(400, "logprobs is not supported"), error(400, "response_format"), reply("B. Bakery")]
    assert model.first_token_probabilities(PROMPT, ("A", "B"))["B"] == 0.8
    server.replies = [reply("I cannot say")]
    assert model.first_token_probabilities(PROMPT, ("A", "B")) == {}


def test_a_busy_server_is_asked_again(server, model):
    server.replies = [error(429, "slow down"), error(503, "busy"), reply("A", {"A": 0.9})]
    assert model.first_token_probabilities(PROMPT, ("A",))["A"] == pytest.approx(0.9)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "raised", "words"),
    [
        (400, InvalidInputError, "refused this prompt"),
        (422, InvalidInputError, "refused this prompt"),
        (401, UnavailableError, "LLM_API_KEY"),
        (404, UnavailableError, "LLM_MODEL"),
    ],
)
def test_vendor_errors_become_ours_and_say_what_to_do(server, model, status, raised, words):
    server.replies = [error(status, "context too long")]
    with pytest.raises(raised, match=words):
        model.first_token_probabilities(PROMPT, ("A",))


def test_nobody_at_the_address_is_unavailable():
    model = OpenAiCompatibleChatModel(
        base_url="http://127.0.0.1:1/v1", api_key="", model="", timeout_s=1, concurrency=0
    )
    assert (model.name, model.concurrency) == ("default", 1)
    status = model.status()
    assert (status.state, "LLM_BASE_URL" in status.detail) == ("unreachable", True)
    with pytest.raises(UnavailableError, match="does not answer"):
        model.first_token_probabilities(PROMPT, ("A",))


def test_status_tells_ready_loading_and_unreachable_apart(server, model):
    assert (model.status().state, model.status().model) == ("ready", "tiny")
    server.replies = [error(503, "Loading model")]
    assert model.status().state == "loading"
    server.replies = [error(401, "no")]
    assert "LLM_API_KEY" in model.status().detail


def test_no_address_means_no_model(settings):
    settings.LLM_BASE_URL = ""
    assert get_chat_model() is None


def test_bf16_is_used_only_where_the_cpu_computes_it():
    assert cpu_computes_bf16("processor: 0\nflags\t\t: fpu avx512_bf16 sse\n")
    assert cpu_computes_bf16("flags : amx_bf16")
    assert not cpu_computes_bf16("flags : fpu avx2 avx512f\nbugs : avx512_bf16")
    assert not cpu_computes_bf16("")


def test_minilm_gives_unit_rows_in_order_with_like_texts_close():
    embedder = minilm()
    rows = embedder.embed(["2% milk, gallon", "whole milk", "motor oil"])
    assert rows.shape == (3, 384)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.2
    assert embedder.embed([]).shape == (0, 384)


def test_importing_what_pages_use_loads_no_vendor():
    code = (
        "import django, sys; django.setup();"
        "import catalog.labelling, catalog.review, catalog.tasks;"
        "print(sorted({'torch', 'transformers', 'sentence_transformers', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "recsite.settings"},
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("reply", ["<html>Sign in</html>", None, [], {"error": "no such page"}])
def test_something_else_that_answers_at_the_address_counts_as_unreachable(server, reply):
    server.replies = [(200, reply)]
    model = OpenAiCompatibleChatModel(base_url=server.url, api_key="k", model="m", timeout_s=3.0, concurrency=1)
    words = f"What answers at {server.url} is no OpenAI-compatible server; check LLM_BASE_URL, which often ends in /v1."
    status = model.status()
    assert (status.state, status.detail) == ("unreachable", words)
    with pytest.raises(UnavailableError) as refused:
        model.first_token_probabilities(PROMPT, ("A", "B"))
    assert refused.value.message == words


def test_a_password_in_the_address_is_not_told():
    model = OpenAiCompatibleChatModel(
        base_url="http://me:hush@127.0.0.1:1/v1", api_key="k", model="m", timeout_s=1.0, concurrency=1
    )
    assert model.status().detail == (
        "The language model at http://127.0.0.1:1/v1 does not answer; start it, or check LLM_BASE_URL."
    )


def directory(path, *modules):
    """A directory like those of sentence-transformers, without weights; each module is (folder, config)."""
    path.mkdir()
    for folder, config in modules:
        (path / folder).mkdir(exist_ok=True)
        (path / folder / "config.json").write_text(json.dumps(config))
    listed = [{"idx": place, "path": folder} for place, (folder, _) in enumerate(modules)]
    (path / "modules.json").write_text(json.dumps([*listed, {"idx": 9, "path": "9_Normalize"}]))
    return path


TRANSFORMER, POOLING = ("", {"hidden_size": 1024}), ("1_Pooling", {"word_embedding_dimension": 768})


def test_the_length_of_vectors_is_read_without_loading_the_model(tmp_path):
    assert vector_length(directory(tmp_path / "a", TRANSFORMER)) == 1024
    assert vector_length(directory(tmp_path / "b", TRANSFORMER, POOLING)) == 768
    dense = ("2_Dense", {"in_features": 768, "out_features": 256})
    assert vector_length(directory(tmp_path / "c", TRANSFORMER, POOLING, dense)) == 256
    with pytest.raises(UnavailableError, match="LABEL_EMBEDDER_PATH"):
        vector_length(directory(tmp_path / "d", ("", {})))
    (tmp_path / "d" / "modules.json").write_text("{broken")
    with pytest.raises(UnavailableError, match="LABEL_EMBEDDER_PATH"):
        vector_length(tmp_path / "d")


def test_the_label_embedder_is_there_as_soon_as_its_files_are(tmp_path, settings):
    settings.LABEL_EMBEDDER_PATH = ""
    assert get_label_embedder() is None
    settings.LABEL_EMBEDDER_PATH = str(tmp_path / "mine")
    assert get_label_embedder() is None
    directory(tmp_path / "mine", TRANSFORMER, POOLING)
    found = get_label_embedder()
    assert (found.name, found.dim, found.embed([]).shape) == ("mine", 768, (0, 768))
    assert get_label_embedder() is found
    settings.LABEL_EMBEDDER_PATH = str(directory(tmp_path / "other", TRANSFORMER))
    assert (get_label_embedder().name, get_label_embedder().dim) == ("other", 1024)


def test_a_directory_whose_weights_cannot_be_loaded_is_unavailable(tmp_path):
    with pytest.raises(UnavailableError, match=r"mine in .* cannot be loaded"):
        of_directory(directory(tmp_path / "mine", TRANSFORMER, POOLING)).embed(["milk"])


def test_the_site_looks_for_the_packaged_one_where_it_is_put(tmp_path):
    code = "import django; from django.conf import settings; print(settings.LABEL_EMBEDDER_PATH)"

    def path(**environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LABEL_", "RECSITE_LLM"))}
        env = {**kept, "DJANGO_SETTINGS_MODULE": "recsite.settings", "RECSITE_HOME": str(tmp_path), **environment}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
        return done.stdout.strip()

    assert path() == str(label_embedder.directory(Home(tmp_path)))
    assert path(RECSITE_LLM="off") == path(LABEL_EMBEDDER="off") == ""
    assert path(RECSITE_LLM="off", LABEL_EMBEDDER_PATH="/models/mine") == "/models/mine"
    assert path(LABEL_EMBEDDER="off", LABEL_EMBEDDER_PATH="/models/mine") == ""
