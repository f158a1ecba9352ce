"""An exported classifier in transformers behind FastAPI, as in most tutorials: each request tokenizes and computes its own text.

    python transformers_server.py EXPORT float32|bfloat16

EXPORT is a folder that `kbert-export --format huggingface` wrote. FastAPI runs the function of each request in one of its threads.
"""

import json
import socket
import sys
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer


class Request(BaseModel):
    texts: list[str]


def loaded(folder, pooling, dtype):
    """Returns (model, function from its output to the scores of the labels); poolings without a class have their own head."""
    if pooling in ("cls", "pooler"):
        return AutoModelForSequenceClassification.from_pretrained(folder).eval().to(dtype), lambda found: found.logits
    model = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval().to(dtype)
    head = {name: each.to(dtype) for name, each in load_file(folder / "head.safetensors").items()}
    pooled = {"mean": lambda hidden: hidden.mean(1), "max": lambda hidden: hidden.amax(1)}[pooling]
    return model, lambda found: pooled(found.last_hidden_state) @ head["label/kernel"] + head["label/bias"]


def application(folder, kind):
    info = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    model, scores = loaded(folder, info["pooling"], getattr(torch, kind))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    app = FastAPI()

    @app.post("/models/it/predict")
    def predict(asked: Request):
        answers = []
        for text in asked.texts:
            x = tokenizer(text, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                p = (scores(model(**x)).float() / info["temperature"]).softmax(-1)[0]
            best = int(p.argmax())
            answers.append({"label": info["labels"][best], "probability": float(p[best])})
        return {"answers": answers}

    return app


if __name__ == "__main__":
    # With the protocol, asyncio sends small packets at once, as it does for the sockets that uvicorn.run opens.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(2048)
    host, port = listening.getsockname()
    app = application(Path(sys.argv[1]), sys.argv[2])
    print(f"http://{host}:{port}", file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning")).run(sockets=[listening])
