"""The bodies of requests and answers, as pydantic models: they check requests, and describe them at /docs."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .problems import Problem

B = TypeVar("B", bound=BaseModel)
Pair = Annotated[list[str], Field(min_length=2, max_length=2)]


class Request(BaseModel):
    """What all requests have in common."""

    model_config = ConfigDict(extra="forbid", strict=True)

    options: dict[str, Any] = Field(
        {},
        description="Settings for this request, such as threshold or min_confidence; GET /models lists those of each model.",
    )


class PredictRequest(Request):
    """The texts to predict: exactly one of `texts`, `pairs` and `rows`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"texts": ["房间很干净", "The room was quiet."]}]})

    texts: list[str] | None = Field(None, description="Texts, for models that read single texts.")
    pairs: list[Pair] | None = Field(
        None, description="Pairs [text, second text] for models that read pairs; the second text may be an event type."
    )
    rows: list[dict[str, Any]] | None = Field(
        None, description="Rows as in a file for kbert-predict: objects with the columns of the model, such as text."
    )
    all_probabilities: bool = Field(False, description="Add the probability of each label (classification only).")


class ExplainRequest(Request):
    """A text whose answer is explained."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "房间很干净"}]})

    text: str
    text_b: str | None = Field(None, description="The second text of a pair, or the event type.")
    answer: Any = Field(
        None, description="The answer to explain, in the form of kbert-explain; default: the prediction."
    )
    steps: int = Field(50, ge=1, le=500, description="Number of steps of the integral.")


class PageRequest(ExplainRequest):
    """A text that was entered on the page."""

    language: str = "en"


class PredictResponse(BaseModel):
    """One answer for each text, in the same order, with the columns of kbert-predict."""

    model: str
    answers: list[dict[str, Any]] = Field(description="If a text has no answer, all values are null.")
    skipped: dict[str, int] = Field(description="Number of texts without an answer, by reason, such as 'empty text'.")


class Explanation(BaseModel):
    """The contributions of the tokens to the log-odds of an answer; see kbert-explain --json."""

    model_config = ConfigDict(extra="allow")


class Model(BaseModel):
    """A model of this server."""

    name: str
    task: str
    title: str
    title_zh: str
    second_text: str | None = Field(
        description="What the second text of a pair is; null if the model reads single texts."
    )
    engine: str
    loaded: str = Field(description="Time at which the folder was loaded.")
    options: dict[str, Any] = Field(description="The settings that a request may change, with their values.")


class Models(BaseModel):
    models: list[Model]


class State(BaseModel):
    status: str


class Error(BaseModel):
    """Why a request has no answer."""

    error: str


def checked(kind: type[B], value: Any) -> B:
    """Returns the body of a request as a model.

    Raises:
        Problem: the value does not fit; the sentence names the place.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise Problem(422, _sentence(kind, error)) from None


def _sentence(kind: type[BaseModel], error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).removeprefix(".")
    place = place if len(place) < 100 else f"{place[:100]}..."
    if first["type"] == "extra_forbidden":
        return f"unknown field {place!r}; known fields: {', '.join(kind.model_fields)}"
    if first["type"] == "missing":
        return f"the field {place!r} is missing"
    wrong = first["msg"].removeprefix("Input ")
    if first["type"] == "model_type":
        wrong = "should be an object"
    return f"{place or 'the body'} {wrong[:1].lower()}{wrong[1:]}, found {_NAMES.get(type(first['input']), 'another value')}"


_NAMES = {
    dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number",
    type(None): "null",
}  # fmt: skip
