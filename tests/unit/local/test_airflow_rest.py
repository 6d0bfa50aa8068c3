"""What is made of Airflow's answers, which a small server here gives as Airflow 3.3 does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lsh_core.errors import DagRunError, SettingsError, UnavailableError
from lsh_core.local import airflow_rest
from lsh_core.local.airflow_rest import AirflowRest, TaskState

RUN = "/api/v2/dags/index_vectors/dagRuns/manual__2026-11-20T23%3A00%3A00%2B00%3A00"
RUN_ID = "manual__2026-11-20T23:00:00+00:00"

Answer = tuple[int, Any]


class FakeAirflow(ThreadingHTTPServer):
    """Answers each path with what is listed for it, one after the other; the last answer stays."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.posted: list[tuple[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeAirflow

    def do_GET(self) -> None:
        listed = self.server.answers.get(self.path, [(404, {"detail": f"{self.path} was not found"})])
        status, body = listed.pop(0) if len(listed) > 1 else listed[0]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_POST(self) -> None:
        self.server.posted.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAirflow]:
    monkeypatch.setattr(airflow_rest, "POLL_SECONDS", 0.01)
    with FakeAirflow() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def task(name: str, state: str | None, *, start: str | None = None, tries: int = 1) -> dict[str, Any]:
    duration = 1.5 if start else None
    return {"task_id": name, "state": state, "start_date": start, "try_number": tries, "duration": duration}


def test_a_run_is_triggered_once_its_dag_is_known(airflow: FakeAirflow) -> None:
    airflow.answers["/api/v2/dags/index_vectors"] = [(404, {"detail": "not yet"}), (200, {})]
    airflow.answers["/api/v2/dags/index_vectors/dagRuns"] = [(200, {"dag_run_id": RUN_ID})]
    assert AirflowRest(airflow.url).trigger("index_vectors", {"name": "docs"}) == RUN_ID
    assert airflow.posted == [("/api/v2/dags/index_vectors/dagRuns", {"logical_date": None, "conf": {"name": "docs"}})]


def test_a_refused_value_is_told_without_its_schema(airflow: FakeAirflow) -> None:
    detail = "Invalid input for param shards: 0 is less than the minimum of 1\n\nFailed validating 'minimum' in schema:"
    airflow.answers["/api/v2/dags/index_vectors"] = [(200, {})]
    airflow.answers["/api/v2/dags/index_vectors/dagRuns"] = [(400, {"detail": detail})]
    with pytest.raises(SettingsError, match=r"less than the minimum of 1$"):
        AirflowRest(airflow.url).trigger("index_vectors", {"shards": 0})


def test_a_dag_that_never_appears(airflow: FakeAirflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_rest, "APPEAR_SECONDS", 0.05)
    with pytest.raises(UnavailableError, match="DAG index_vectors"):
        AirflowRest(airflow.url).trigger("index_vectors", {})


def test_nobody_answers() -> None:
    with pytest.raises(UnavailableError, match="refused"):
        AirflowRest("http://127.0.0.1:9").trigger("index_vectors", {})


def test_waiting_shows_the_tasks_until_the_run_has_succeeded(airflow: FakeAirflow) -> None:
    airflow.answers[RUN] = [(200, {"state": "running"}), (200, {"state": "success"})]
    airflow.answers[f"{RUN}/taskInstances?limit=100"] = [
        (200, {"task_instances": [task("load", None), task("check", "running", start="2026-11-20T23:00:01Z")]}),
        (200, {"task_instances": [task("check", "success", start="2026-11-20T23:00:01Z")]}),
    ]
    seen: list[list[TaskState]] = []
    AirflowRest(airflow.url).wait("index_vectors", RUN_ID, lambda tasks: seen.append(list(tasks)))
    assert seen == [
        [TaskState("check", "running", 1, 1.5), TaskState("load", None, 1, None)],
        [TaskState("check", "success", 1, 1.5)],
    ]


def test_a_failed_run_names_the_task_and_shows_the_end_of_its_log(airflow: FakeAirflow) -> None:
    airflow.answers[RUN] = [(200, {"state": "failed"})]
    tasks = [
        task("promote", "upstream_failed", start="2026-11-20T23:00:03Z"),
        task("verify", "failed", start="2026-11-20T23:00:02Z", tries=2),
    ]
    airflow.answers[f"{RUN}/taskInstances?limit=100"] = [(200, {"task_instances": tasks})]
    log = [
        {"event": "::group::Log message source details"},
        *({"event": f"line {number}"} for number in range(20)),
        {
            "event": "Task failed",
            "error_detail": [{"exc_type": "RunError", "exc_value": "expected 10\nfound 9"}],
        },
    ]
    airflow.answers[f"{RUN}/taskInstances/verify/logs/2?full_content=true"] = [(200, {"content": log})]
    with pytest.raises(DagRunError) as failed:
        AirflowRest(airflow.url).wait("index_vectors", RUN_ID, lambda _: None)
    assert failed.value.task == "verify"
    assert failed.value.log_tail.splitlines() == [
        *(f"line {number}" for number in range(8, 20)),
        "Task failed",
        "RunError: expected 10",
        "found 9",
    ]


def test_a_failed_run_without_a_log_still_names_its_task(airflow: FakeAirflow) -> None:
    airflow.answers[RUN] = [(200, {"state": "failed"})]
    airflow.answers[f"{RUN}/taskInstances?limit=100"] = [(200, {"task_instances": [task("load", "failed")]})]
    with pytest.raises(DagRunError, match=r"failed in task load$"):
        AirflowRest(airflow.url).wait("index_vectors", RUN_ID, lambda _: None)


def test_what_a_task_returned(airflow: FakeAirflow) -> None:
    airflow.answers[f"{RUN}/taskInstances/summarise/xcomEntries/return_value"] = [(200, {"value": {"rows": 3}})]
    assert AirflowRest(airflow.url).result("index_vectors", RUN_ID, "summarise") == {"rows": 3}
