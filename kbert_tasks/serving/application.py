"""The FastAPI application: its endpoints."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from .. import __version__
from . import access, pages, schema
from .answering import Answerer
from .batching import Answered
from .body import read
from .draining import Draining
from .limits import Limits
from .middleware import Counting
from .models import Loaded, Models
from .problems import Problem
from .questions import check_length, rows_of
from .words import language_of

B = TypeVar("B", bound=schema.Request)

LOGS = ("errors", "requests", "texts")
STATUSES = {
    400: "the body is not JSON", 401: "the API key is missing or wrong", 404: "there is no such model",
    408: "the body was not received in time", 413: "the body, a text or the number of texts is too large",
    415: "the body has another type", 422: "the body does not fit the model", 429: "too many requests are waiting",
    503: "the request was not answered in time",
}  # fmt: skip
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": schema.Error, "description": meaning} for status, meaning in STATUSES.items()
}
KEYED: dict[int | str, dict[str, Any]] = {401: ERRORS[401]}
PATHS = {404: "there is no such page", 405: "this path has another method"}


def _body(kind: type[BaseModel]) -> dict[str, Any]:
    """Returns the part of OpenAPI that describes a body, which the endpoint reads and checks itself."""
    content = {"application/json": {"schema": kind.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


class Endpoints:
    """The functions behind the endpoints.

    Args:
        models: the Models.
        answerer: the Answerer.
        log: one of LOGS.
        protected: whether the server needs an API key.
    """

    def __init__(self, models: Models, answerer: Answerer, log: str, protected: bool) -> None:
        self.models, self.answerer, self.log, self.protected = models, answerer, log, protected

    def _model(self, name: str, request: Request) -> Loaded:
        request.state.logged = {}
        found = self.models.find(name)
        request.state.model = found.name  # for the metrics
        return found

    async def _asked(self, kind: type[B], request: Request, deadline: float) -> B:
        return schema.checked(kind, await read(request, self.answerer.limits, deadline))

    async def predict(self, name: str, request: Request) -> Response:
        """Returns the answer of a model for each text. Texts of different requests are computed together."""
        model = self._model(name, request)
        with self.answerer.admission() as deadline:
            asked = await self._asked(schema.PredictRequest, request, deadline)
            task = model.with_options(asked.options)
            rows = rows_of(task, asked, self.answerer.limits)
            answered = await self.answerer.predict(task, rows, deadline)
        answers = [_answer(task, each, asked.all_probabilities) for each in answered.predictions]
        self.answerer.metrics.texts.labels(model.name).inc(len(rows))
        self._note(request, rows, answers)
        return JSONResponse({"model": model.name, "answers": answers, "skipped": answered.skipped})

    def _note(self, request: Request, rows: list[Any], answers: list[Any]) -> None:
        if self.log != "errors":
            request.state.logged["texts"] = len(rows)
        if self.log == "texts":
            request.state.logged |= {"rows": rows, "answers": answers}

    async def explain(self, name: str, request: Request) -> Response:
        """Returns how much each token contributes to an answer (integrated gradients)."""
        model = self._model(name, request)
        with self.answerer.admission() as deadline:
            asked = await self._asked(schema.ExplainRequest, request, deadline)
            found = await self.answerer.explain(*self._to_explain(model, asked), deadline)
        return JSONResponse({"model": model.name} | found.as_dict())

    def _to_explain(self, model: Loaded, asked: Any) -> tuple[Any, Any]:
        for name in ("text", "text_b"):
            check_length(getattr(asked, name), name, self.answerer.limits)
        return model.with_options(asked.options), asked

    async def page_answer(self, name: str, request: Request) -> Response:
        model = self._model(name, request)
        with self.answerer.admission() as deadline:
            asked = await self._asked(schema.PageRequest, request, deadline)
            pair = asked.text_b is not None
            given: dict[str, Any] = {"pairs": [[asked.text, asked.text_b]]} if pair else {"texts": [asked.text]}
            task = model.with_options(asked.options)
            rows = rows_of(task, schema.PredictRequest(**given), self.answerer.limits)
            answered: Answered = await self.answerer.predict(task, rows, deadline)
        return HTMLResponse(pages.answer(task, asked.text, answered, language_of(asked.language, "")))

    async def page_explanation(self, name: str, request: Request) -> Response:
        model = self._model(name, request)
        with self.answerer.admission() as deadline:
            asked = await self._asked(schema.PageRequest, request, deadline)
            found = await self.answerer.explain(*self._to_explain(model, asked), deadline)
        return HTMLResponse(pages.explanation(model.task, found, language_of(asked.language, "")))

    async def list_models(self) -> Response:
        """Returns the models of this server, with the settings that a request may change."""
        return JSONResponse({"models": [each.as_dict() for each in self.models]})

    async def health(self) -> Response:
        """Returns status 200 while the server can compute answers."""
        alive = self.answerer.alive
        return JSONResponse({"status": "ok" if alive else "the thread that predicts has ended"}, 200 if alive else 503)

    async def ready(self) -> Response:
        """Returns status 200 while the server accepts more requests."""
        ready = self.answerer.ready
        return JSONResponse({"status": "ready" if ready else "too many requests are waiting"}, 200 if ready else 503)

    async def metrics(self) -> Response:
        """Returns numbers for Prometheus."""
        return Response(self.answerer.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def page(self, request: Request, lang: str | None = None) -> Response:
        language = language_of(lang, request.headers.get("accept-language", ""))
        return HTMLResponse(pages.start(language, self.protected), headers={"Content-Security-Policy": pages.POLICY})

    async def interface(self, request: Request) -> Response:
        page = pages.interface(request.app.openapi())
        return HTMLResponse(page, headers={"Content-Security-Policy": pages.POLICY})

    async def font(self) -> Response:
        file = pages.font()
        if file is None:
            raise Problem(404, "this server has no Chinese font")
        return FileResponse(file, media_type="font/otf", headers={"Cache-Control": "max-age=604800"})


def _answer(task: Any, prediction: Any, every: bool) -> dict[str, Any]:
    """Returns the JSON of an answer, with the keys in `task.ANSWER`."""
    if prediction is None:
        return dict.fromkeys(task.ANSWER)
    made: dict[str, Any] = task.to_json(prediction)
    if every:
        probabilities = getattr(prediction, "probabilities", None)
        if probabilities is None:
            raise Problem(422, "this model has no probability of each label: leave out all_probabilities")
        made |= {"probabilities": {label: round(p, 6) for label, p in probabilities.items()}}
    return made


def application(
    models: Models,
    limits: Limits | None = None,
    key: str | None = None,
    log: str = LOGS[0],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """Returns the ASGI application of the server. `app.state.answerer` is its Answerer.

    Args:
        models: the Models.
        limits: the Limits; by default their default values.
        key: the API key, or None if every request is allowed.
        log: "errors"; "requests" for one line of JSON for each request; "texts" for texts and answers too.
        lifespan: an additional async context manager, entered when the server starts.
    """
    answerer = Answerer(limits or Limits())
    endpoints = Endpoints(models, answerer, log, key is not None)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        try:
            if lifespan is None:
                yield
            else:
                async with lifespan(app):
                    yield
        finally:
            answerer.stop()

    about = 'Predicts with models that kbert_tasks trained. Every error is JSON with one sentence, {"error": ...}.'
    app = FastAPI(
        title="kbert-serve", version=__version__, description=about, lifespan=life, docs_url=None, redoc_url=None,
        redirect_slashes=False,  # behind a proxy with TLS, the redirect would send the key to http://
    )  # fmt: skip
    app.state.answerer = answerer
    app.include_router(_protected(endpoints, key))
    app.include_router(_open(endpoints))
    app.add_middleware(Draining)
    app.add_middleware(Counting, metrics=answerer.metrics, write=log != LOGS[0])
    app.exception_handler(Problem)(_problem)
    app.exception_handler(HTTPException)(_http_problem)
    return app


def _protected(endpoints: Endpoints, key: str | None) -> APIRouter:
    router = APIRouter(dependencies=[] if key is None else [Depends(access.required(key))])
    keyed: dict[int | str, dict[str, Any]] = {} if key is None else KEYED
    post: dict[str, Any] = {
        "methods": ["POST"],
        "responses": ERRORS if key else {s: e for s, e in ERRORS.items() if s != 401},
    }
    add = router.add_api_route
    add(
        "/models/{name}/predict", endpoints.predict, response_model=schema.PredictResponse, summary="Predict",
        openapi_extra=_body(schema.PredictRequest), **post,
    )  # fmt: skip
    add(
        "/models/{name}/explain", endpoints.explain, response_model=schema.Explanation, summary="Explain an answer",
        openapi_extra=_body(schema.ExplainRequest), **post,
    )  # fmt: skip
    add("/models", endpoints.list_models, response_model=schema.Models, summary="List the models", responses=keyed)
    add("/metrics", endpoints.metrics, summary="Metrics", response_class=Response, responses=keyed)
    add("/page/{name}/answer", endpoints.page_answer, methods=["POST"], include_in_schema=False)
    add("/page/{name}/explanation", endpoints.page_explanation, methods=["POST"], include_in_schema=False)
    return router


def _open(endpoints: Endpoints) -> APIRouter:
    router = APIRouter()
    add = router.add_api_route
    state: dict[str, Any] = {"response_model": schema.State, "responses": {503: {"model": schema.State}}}
    add("/health", endpoints.health, summary="Health", **state)
    add("/ready", endpoints.ready, summary="Readiness", **state)
    for path, function in (("/", endpoints.page), ("/docs", endpoints.interface), ("/font.otf", endpoints.font)):
        add(path, function, include_in_schema=False)
    return router


async def _problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    headers = problem.headers | ({"WWW-Authenticate": "Bearer"} if problem.status == 401 else {})
    return JSONResponse({"error": problem.sentence}, problem.status, headers)


async def _http_problem(request: Request, problem: Exception) -> Response:
    """Answers a path or a method that does not exist, which Starlette reports."""
    assert isinstance(problem, HTTPException)
    sentence = PATHS.get(problem.status_code, str(problem.detail))
    return JSONResponse({"error": f"{sentence}; see /docs"}, problem.status_code, problem.headers)
