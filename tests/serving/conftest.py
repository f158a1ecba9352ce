"""A served classifier, and clients of an application in this process."""

import contextlib

import pytest
from starlette.testclient import TestClient

from kbert_tasks.serving.application import application
from kbert_tasks.serving.limits import Limits
from kbert_tasks.serving.models import Models


@pytest.fixture(scope="session")
def models(hotel):
    return Models({"hotel": hotel[1]}, "keras")


@pytest.fixture(scope="session")
def started(models):
    """A context manager that starts an application and returns a client; the arguments are those of `application`."""

    @contextlib.contextmanager
    def start(limits=None, served=models, **arguments):
        app = application(served, Limits(**limits or {}), **arguments)
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client

    return start


@pytest.fixture(scope="session")
def client(started):
    with started() as client:
        yield client
