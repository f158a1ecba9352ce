"""The numbers at /metrics, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
TEXTS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counts requests and batches. Each server has its own registry, so that several can run in one process.

    Args:
        waiting: returns the number of requests without an answer.
    """

    def __init__(self, waiting: Callable[[], float]) -> None:
        own = self.registry = CollectorRegistry()
        ProcessCollector(registry=own)
        PlatformCollector(registry=own)
        labels = ["model", "endpoint"]
        self.requests = Counter("kbert_requests", "Requests by status", [*labels, "status"], registry=own)
        self.seconds = Histogram("kbert_request_seconds", "Time to answer", labels, buckets=SECONDS, registry=own)
        self.texts = Counter("kbert_texts", "Texts in answered requests", ["model"], registry=own)
        self.tokens = Counter("kbert_batch_tokens", "Tokens in batches, without padding", registry=own)
        self.batch = Histogram("kbert_batch_texts", "Texts in a batch", buckets=TEXTS, registry=own)
        self.batch_seconds = Histogram("kbert_batch_seconds", "Time of a batch", buckets=SECONDS, registry=own)
        self.reloads = Counter("kbert_reloads", "Models by result of a reload", ["model", "result"], registry=own)
        Gauge("kbert_waiting_requests", "Requests without an answer", registry=own).set_function(waiting)

    def request(self, model: str, endpoint: str, status: int, seconds: float) -> None:
        self.requests.labels(model, endpoint, str(status)).inc()
        self.seconds.labels(model, endpoint).observe(seconds)

    def batched(self, texts: int, tokens: int, seconds: float) -> None:
        self.batch.observe(texts)
        self.tokens.inc(tokens)
        self.batch_seconds.observe(seconds)

    def text(self) -> bytes:
        """Returns all numbers in the text format of Prometheus."""
        return generate_latest(self.registry)
