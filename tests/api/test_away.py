"""What a client is told while the database or the tiles cannot be reached: come back, sending again is safe."""

from fastapi import FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient

from api.problems import install
from ledger.db import open_database
from ledger.stored import StoreRefused, StoreUnavailable
from tests.api.conftest import BASE, problem_of
from tests.support.service import free_port


def app_without_stores() -> FastAPI:
    """Nothing listens where its database should be."""
    app, database = FastAPI(), open_database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    app.state.base_url = BASE
    install(app)

    @app.get("/database")
    def ask_database() -> str:
        with database.reading() as session:
            return str(session.scalar(text("SELECT 1")))

    @app.get("/tiles")
    def ask_tiles() -> str:
        raise StoreUnavailable("s3://tiles: no good answer about checkpoint")

    @app.get("/refused")
    def ask_refused() -> str:
        raise StoreRefused("s3://tiles: the store refuses checkpoint: 403 Forbidden")

    return app


def test_a_database_that_fails_over_is_no_fault_of_the_service_and_asks_to_come_back() -> None:
    with TestClient(app_without_stores(), base_url=BASE) as client:
        for path in ("/database", "/tiles"):
            answer = client.get(path)
            problem = problem_of(answer)
            assert (problem["status"], problem["code"]) == (503, "unavailable")
            assert answer.headers["retry-after"] == "1"
            assert "127.0.0.1" not in answer.text
            assert "s3://" not in answer.text


def test_a_bucket_that_refuses_us_is_the_operators_trouble_and_no_stack_trace() -> None:
    with TestClient(app_without_stores(), base_url=BASE) as client:
        answer = client.get("/refused")
        problem = problem_of(answer)
        assert (problem["status"], problem["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 60
        assert "s3://" not in answer.text
